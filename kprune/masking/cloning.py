"""Copies Keras models, built and with their values.

`keras.models.clone_model` copies only the structure of graphs, with fresh
weights. This module carries over every variable (weights, statistics, random
state), copies subclassed models too, and removes kprune's wrappers: a copy is
always a plain Keras model.
"""

import contextlib

import keras
import tensorflow as tf

from kprune.masking import layer_copies, made_up, weights
from kprune.runtime import identity, keras_internals, seeds, user_warnings

_no_scope = contextlib.nullcontext()


def plain_copy(
    model, change_config=layer_copies.unchanged, dress=None, prove=True
):
    """Returns a copy of a model without kprune's wrappers, values included.

    The copy is not compiled; see `carry_compile`.

    Args:
        model: A built Keras model.
        change_config: Function from a layer's config to its copy's config.
        dress: Function of (layer, its copy) that returns a wrapper to replace
            the copy, or `None` to keep it. Used only if the model's config
            lists its layers.
        prove: Whether to compare outputs if the constructor makes the layers.

    Raises:
        ValueError: If the model or one of its layers cannot be rebuilt from
            its config.
    """
    with _copying(model, change_config is layer_copies.unchanged):
        if keras_internals.lists_layers(model):
            new = _copy_graph(model, change_config, dress)
        else:
            new = _copy_constructed(model, change_config, prove)
    sizes = [len(layer_copies.values(one)) for one in (model, new)]
    if sizes[0] != sizes[1]:
        raise ValueError(
            f"Model {model.name!r} cannot be copied: it has {sizes[0]} "
            f"variables, its copy {sizes[1]}. "
            "Expected layers that share weights only by being called twice, "
            "not by being held by two other layers."
        )
    return new


def constructed(model, config):
    """Returns a freshly initialized model of the same class from a config.

    Args:
        model: A model whose constructor makes its layers.
        config: A config in the form of `layer_copies.constructor_config`.
    """
    plain = layer_copies.plain_class(model)
    with _copying(model):
        return plain.from_config(layer_copies.without_wrappers(config))


def replace_layers(model, replace, whole=False):
    """Returns a model with layers replaced.

    Args:
        model: A model without wrappers that nobody else uses. The result
            reuses its layers, since other attributes may hold them. The model
            is changed in place unless it is a graph whose config lists its
            layers.
        replace: Function from a layer to its replacement, or `None` to keep
            the layer. Recurses into nested graphs, unless the config of
            `model` lists its layers and theirs do not.
        whole: Whether `replace` gets each nested graph as a whole first.
    """
    if not keras_internals.is_graph(model):
        keras_internals.swap_children(
            model,
            lambda x: (isinstance(x, keras.layers.Layer) and replace(x)) or x,
        )
        return model
    rebuilding = _Rebuilding(model, replace, whole)
    with _copying(model):
        return rebuilding.graph(model, rebuilding.put)


class _Rebuilding:
    """Rebuilds graphs over their layers; `done` maps old layers to new."""

    def __init__(self, model, replace, whole):
        self.replace, self.whole = replace, whole
        self.listed = keras_internals.lists_layers(model)
        self.done = identity.ByIdentity()
        self.anew = _sharing_graphs(model, self.is_nested)
        for graph in self.anew:
            keras_internals.forget_calls(graph)

    def is_nested(self, layer):
        """Returns whether a layer is a graph to recurse into."""
        if self.listed:
            return keras_internals.lists_layers(layer)
        return keras_internals.is_graph(layer)

    def put(self, layer, _=None):
        """Returns the replacement of a layer or operation."""
        nested = self.is_nested(layer)
        if self.whole or not nested:
            new = self.replace(layer)
            if new is not None:
                return new
        return self.graph(layer, self.put) if nested else self.keep(layer)

    def keep(self, layer, _=None):
        """Returns the layer itself, or a new copy of an operation."""
        if self.is_nested(layer):
            return self.graph(layer, self.keep)
        is_layer = isinstance(layer, keras.layers.Layer)
        return layer if is_layer else layer_copies.from_config(layer)

    def graph(self, model, clone):
        """Returns a rebuilt graph, or the model itself, rebuilt in place, if
        its config does not list its layers. Also rebuilds graphs that it
        holds and shares layers with."""
        graph = _clone_graph(model, clone, self.done)
        if keras_internals.lists_layers(model):
            keras_internals.set_trainable_alone(graph, model.trainable)
            return graph
        for held in keras_internals.held_graphs(model):
            if held in self.anew and held not in self.done:
                self.done[held] = self.keep(held)
        keras_internals.adopt_graph(model, graph, self.done)
        return model


def _sharing_graphs(model, is_nested):
    """Returns a graph, the graphs that it calls, and the graphs that it holds
    and shares layers with, as the keys of a `ByIdentity`."""
    found, held, layers = identity.ByIdentity(), [], set()
    todo = [model]
    while todo:
        graph = todo.pop()
        if graph in found:
            continue
        found[graph] = True
        own = [x for x in graph.layers if not _is_input(x)]
        layers.update(map(id, own))
        held += keras_internals.held_graphs(graph)
        todo += filter(is_nested, own)
    for graph in held:
        if graph not in found and layers.intersection(
            id(x) for x in graph.layers if not _is_input(x)
        ):
            found[graph] = True
    return found


def _is_input(layer):
    return isinstance(layer, keras.layers.InputLayer)


def carry_compile(model, copy):
    """Compiles `copy` as `model` is compiled, with a fresh optimizer.

    Warns and leaves the copy uncompiled if a loss or metric cannot be rebuilt
    from its config, or the model's class overrides `compile` alone.
    """
    if not model.compiled:
        return
    if keras_internals.compiles_by_itself(copy):
        user_warnings.warn(
            f"Model {model.name!r} is of a class with a `compile` of its own, "
            "whose arguments are not known: call `compile` again."
        )
        return
    known = keras_internals.known_objects(
        keras_internals.compile_arguments(model)
    )
    try:
        with seeds.untouched(), known:
            copy.compile_from_config(model.get_compile_config())
            # Keras has built the optimizer. An unbuilt one adds no slots to a
            # saved file.
            fresh = copy.optimizer
            copy.optimizer = type(fresh).from_config(fresh.get_config())
    except (TypeError, ValueError) as error:
        user_warnings.warn(
            f"Model {model.name!r} is compiled with something that cannot be "
            f"rebuilt from its config, so call `compile` again: {error}",
        )


def strategy_scope(model):
    """Returns the scope of the `tf.distribute` strategy that a model was made
    in, or a null context if the caller is already within one."""
    if tf.distribute.has_strategy():
        return contextlib.nullcontext()
    return model.distribute_strategy.scope()


@contextlib.contextmanager
def _copying(model, same_policy=True):
    layers = keras_internals.all_layers(model)
    before = keras.config.dtype_policy()
    try:
        if same_policy and model.dtype_policy.quantization_mode is None:
            # A layer whose config has no dtype takes the global policy.
            keras.config.set_dtype_policy(model.dtype_policy)
        with seeds.untouched(), keras_internals.known_objects(layers):
            yield
    finally:
        keras.config.set_dtype_policy(before)


def _copy_graph(model, change_config, dress):
    copies, done = _Copies(change_config), identity.ByIdentity()

    def clone(layer, scope):
        if keras_internals.lists_layers(layer):
            return again(layer)
        inner = weights.unwrapped(layer)
        new = copies.add(inner)
        new.name = weights.plain_name(layer)
        if dress is None or not isinstance(inner, keras.layers.Layer):
            return new
        if not weights.children(inner):
            with scope:  # It is part of the variables' paths.
                layer_copies.build_alike(inner, new)
        return dress(inner, new) or new

    def again(graph):
        new = _clone_graph(graph, clone, done)
        new.trainable = graph.trainable
        layer_copies.copy_trainable(graph, new)
        return new

    new = again(model)
    copies.fill()
    return new


class _Copies:
    """Copies of a graph's layers, whose values are set once it is built."""

    def __init__(self, change_config=layer_copies.unchanged):
        self._change_config = change_config
        self._made = []

    def add(self, layer):
        """Returns an unbuilt copy of a layer; the new graph builds it."""
        new = layer_copies.from_config(layer, self._change_config)
        begun = layer_copies.begin_as(layer, new)
        self._made.append((layer, new, begun))
        return new

    def fill(self):
        """Copies the values of the originals into the copies."""
        for old, new, begun in self._made:
            vars(new).pop("add_weight", None)
            layer_copies.copy_values(old, new, begun)


def _clone_graph(model, clone, done):
    """Returns a rebuilt graph, of the same class if its config lists its
    layers. Takes new layers from `done`, a `ByIdentity` from old ones, where
    it has them, and adds those that it makes. For a Functional graph it adds
    the symbolic tensors too."""
    chain = isinstance(model, keras.Sequential)

    def one(layer):
        if layer not in done:
            scope = keras.name_scope(model.name) if chain else _no_scope
            done[layer] = clone(layer, scope)
        return done[layer]

    if chain:
        listed = keras_internals.lists_layers(model)
        cls = type(model) if listed else keras.Sequential
        # Unlike `Sequential.layers`, this includes the input layer.
        layers = super(keras.Sequential, model).layers
        new = cls([one(layer) for layer in layers], name=model.name)
    else:
        new = keras_internals.clone_graph(model, one, done)
    new.built = model.built
    return new


def _copy_constructed(model, change_config, prove):
    """Copies a model whose layers are made by its constructor."""
    plain = layer_copies.plain_class(model)
    config = change_config(layer_copies.constructor_config(model))
    try:
        new = plain.from_config(layer_copies.without_wrappers(config))
        layer_copies.build_alike(model, new)
        new.trainable = model.trainable
        layer_copies.copy_trainable(model, new)
        layer_copies.copy_values(model, new)
        prove = prove and change_config is layer_copies.unchanged
        if prove and plain is type(model):
            # Without a `get_config` of its own, a class loses its constructor's
            # arguments, and the copy may have another dropout rate, say.
            made_up.prove(model, new, (False, True))
    except Exception as error:
        raise layer_copies.cannot_copy(model, error) from error
    return new
