"""Copies Keras models, built and with their values.

`keras.models.clone_model` copies the structure of graphs only, with fresh
weights. Here every variable is carried over (weights, statistics, random
state), subclassed models are copied too, and kprune's wrappers are looked
through: a copy is always a plain Keras model.
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

    It is not compiled: see `carry_compile`.

    Args:
        model: A built Keras model.
        change_config: Function from a layer's config to that of its copy.
        dress: Function from (layer, its copy) to a wrapper to put in the copy's
            place, or `None`. For graphs that list their layers.
        prove: Whether to compare the outputs of what a constructor makes.

    Raises:
        ValueError: If the model, or a layer of it, cannot be rebuilt from its
            config.
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
    """Returns a model of the same class, of another config of its constructor,
    with values as that draws them.

    Args:
        model: A model whose constructor makes its layers.
        config: As of `layer_copies.constructor_config`.
    """
    plain = layer_copies.plain_class(model)
    with _copying(model):
        return plain.from_config(layer_copies.without_wrappers(config))


def replace_layers(model, replace, whole=False):
    """Returns a model with layers replaced.

    Args:
        model: A model without wrappers that nobody else uses. Its layers are
            taken over, for they may be held elsewhere in it, and it is changed
            itself unless it is a graph whose config lists its layers.
        replace: Function from a layer to the layer to put in its place, or
            `None` to leave it as it is. Graphs nested in a graph are gone into,
            unless its config lists its layers and theirs do not.
        whole: Whether nested graphs are asked for first, as a whole.
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
    """Graphs made anew over their layers, `done` by the former."""

    def __init__(self, model, replace, whole):
        self.replace, self.whole = replace, whole
        self.listed = keras_internals.lists_layers(model)
        self.done = identity.ByIdentity()
        self.anew = _sharing_graphs(model, self.is_nested)
        for graph in self.anew:
            keras_internals.forget_calls(graph)

    def is_nested(self, layer):
        """Whether a layer is a graph to go into."""
        if self.listed:
            return keras_internals.lists_layers(layer)
        return keras_internals.is_graph(layer)

    def put(self, layer, _=None):
        """Returns what takes the place of a layer or operation."""
        nested = self.is_nested(layer)
        if self.whole or not nested:
            new = self.replace(layer)
            if new is not None:
                return new
        return self.graph(layer, self.put) if nested else self.keep(layer)

    def keep(self, layer, _=None):
        """Returns a layer as it is, an operation anew."""
        if self.is_nested(layer):
            return self.graph(layer, self.keep)
        is_layer = isinstance(layer, keras.layers.Layer)
        return layer if is_layer else layer_copies.from_config(layer)

    def graph(self, model, clone):
        """Returns a graph anew, or the model itself if its config does not
        list its layers. Graphs that it holds and does not call follow."""
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
    """Returns a graph, those that it calls, and those that it holds and shares
    layers with, as the keys of a `ByIdentity`."""
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

    A loss or metric that cannot be rebuilt from a config leaves the copy not
    compiled, with a warning.
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
            # Keras has built it. Unbuilt, it makes no saved file larger.
            fresh = copy.optimizer
            copy.optimizer = type(fresh).from_config(fresh.get_config())
    except (TypeError, ValueError) as error:
        user_warnings.warn(
            f"Model {model.name!r} is compiled with something that cannot be "
            f"rebuilt from its config, so call `compile` again: {error}",
        )


def strategy_scope(model):
    """Returns the scope of the `tf.distribute` strategy a model was made in,
    or nothing to enter if the caller is in one."""
    if tf.distribute.has_strategy():
        return contextlib.nullcontext()
    return model.distribute_strategy.scope()


@contextlib.contextmanager
def _copying(model, same_policy=True):
    layers = keras_internals.all_layers(model)
    before = keras.config.dtype_policy()
    try:
        if same_policy and model.dtype_policy.quantization_mode is None:
            # What a config does not say, a copy takes from the global policy.
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
            with scope:  # Of which variables have their paths.
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
    """Copies of the layers of a graph, to be filled when it stands."""

    def __init__(self, change_config=layer_copies.unchanged):
        self._change_config = change_config
        self._made = []

    def add(self, layer):
        """Returns a copy of a layer, which the graph is yet to build."""
        new = layer_copies.from_config(layer, self._change_config)
        begun = layer_copies.begin_as(layer, new)
        self._made.append((layer, new, begun))
        return new

    def fill(self):
        """Gives the copies the values of what they are copies of."""
        for old, new, begun in self._made:
            vars(new).pop("add_weight", None)
            layer_copies.copy_values(old, new, begun)


def _clone_graph(model, clone, done):
    """Returns the graph anew: its class stays if its config lists its layers,
    and what `done` holds by the old layer is taken from there.
    Tensors of a Functional graph are put there too."""
    chain = isinstance(model, keras.Sequential)

    def one(layer):
        if layer not in done:
            scope = keras.name_scope(model.name) if chain else _no_scope
            done[layer] = clone(layer, scope)
        return done[layer]

    if chain:
        listed = keras_internals.lists_layers(model)
        cls = type(model) if listed else keras.Sequential
        # Unlike `Sequential.layers`, this has the input layer too.
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
            # Keras records a constructor's arguments only if the class defines
            # `get_config`. Else the copy has another rate of dropout, say.
            made_up.prove(model, new, (False, True))
    except Exception as error:
        raise layer_copies.cannot_copy(model, error) from error
    return new
