"""Copies single layers: config, build, values, trainability."""

import collections
import functools
import inspect

import keras

from kprune.masking import own_variables, weights
from kprune.runtime import files, identity, keras_internals, user_warnings

_PLAIN = (
    keras.layers.Dense,
    keras.layers.EinsumDense,
    keras.layers.Embedding,
    keras.layers.Conv2D,
)
_HELD = {"kprune>Masked": "layer", "kprune>WrappedModel": "model"}


def unchanged(config):
    """Returns a config as it is."""
    return config


def from_config(layer, change_config=unchanged):
    """Returns a layer, or an operation of a graph, made from the config of
    another one, which may be changed, and of its name."""
    config = without_wrappers(change_config(constructor_config(layer)))
    try:
        new = type(layer).from_config(config)
    except Exception as error:
        raise cannot_copy(layer, error) from error
    # A layer that does not define `get_config` forgets its name.
    new.name = layer.name
    return new


def cannot_copy(layer, error):
    """Returns the `ValueError` for a layer that raises as it is rebuilt."""
    subclassed = isinstance(layer, keras.Model) and not (
        keras_internals.is_graph(layer)
    )
    hint = ", or pass `inplace=True` to change the model itself"
    return ValueError(
        f"{layer.name!r} of class {plain_class(layer).__name__} cannot be "
        "copied from its config. Expected `get_config` and `from_config` to "
        f"rebuild it{hint if subclassed else ''}. Received: "
        f"{type(error).__name__}: {error}"
    )


def begin_as(old, new):
    """Lets the variables that a copy is yet to make begin with their values,
    and returns the `ByIdentity` whose keys will be those that do.

    To draw values first that are then replaced would take longer than all
    else of a copy. Variables of other shapes, as in a smaller layer, begin
    with zeros, and what has layers below makes its variables as it may.
    """
    begun = identity.ByIdentity()
    if not isinstance(old, keras.layers.Layer) or weights.children(old):
        return begun
    names = collections.Counter(v.name for v in old.variables)
    sources = {v.name: v for v in old.variables if names[v.name] == 1}
    make = new.add_weight

    def add_weight(*args, **kwargs):
        source = sources.get(kwargs.get("name"))
        if args or source is None:
            return make(*args, **kwargs)
        if tuple(source.shape) != tuple(kwargs.get("shape") or ()):
            return make(**{**kwargs, "initializer": "zeros"})
        value = keras.ops.convert_to_tensor(source)
        kwargs["initializer"] = lambda _, dtype: keras.ops.cast(value, dtype)
        variable = make(**kwargs)
        begun[variable] = True
        return variable

    vars(new)["add_weight"] = add_weight
    return begun


def build_alike(old, new):
    """Builds a layer as another one is, and all layers below."""
    if old.built and not new.built:
        # What Keras cannot build as a whole is built in parts.
        with user_warnings.silenced():
            new.build_from_config(old.get_build_config() or {})
        new.built = True
    for one, other in _paired_children(old, new):
        build_alike(one, other)


def copy_trainable(old, new):
    """Setting `trainable` on a layer sets it on all below: set them back."""
    for one, other in _paired_children(old, new):
        other.trainable = one.trainable
        copy_trainable(one, other)


def plain_class(model):
    """Returns the class that the user gave a model."""
    return getattr(type(model), "plain_class", type(model))


def constructor_config(layer):
    """Returns the config that rebuilds a layer or subclassed model.

    Keras adds `name`, `trainable` and `dtype` to it whether or not the
    constructor takes them, so that a class written without `**kwargs` could
    not be rebuilt.
    """
    wrapped, plain = type(layer), plain_class(layer)
    try:
        if wrapped is not plain:
            # Keras looks at the class to see whether it has a `get_config`.
            layer.__class__ = plain
        config = layer.get_config()
    except Exception as error:  # Its own code may be wrong.
        raise cannot_copy(layer, error) from error
    finally:
        if wrapped is not plain:
            layer.__class__ = wrapped
    extra = _not_taken(plain)
    return {k: v for k, v in config.items() if k not in extra}


@functools.cache
def _not_taken(cls):
    """Returns which of the arguments that Keras adds a constructor lacks."""
    taken = inspect.signature(cls.__init__).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in taken):
        return set()
    return {"name", "trainable", "dtype"} - {p.name for p in taken}


def without_wrappers(config, held=_HELD):
    """Replaces each (nested) config of a wrapper by that of its layer.

    `held` is a dict from the registered name of a wrapper, or of a model that
    has some, to where its config has that of the layer.
    """
    if isinstance(config, dict):
        place = held.get(config.get("registered_name"))
        if place is not None:
            return without_wrappers(config["config"][place], held)
        return {k: without_wrappers(v, held) for k, v in config.items()}
    if isinstance(config, list):
        return [without_wrappers(item, held) for item in config]
    return config


def values(layer):
    """Returns the variables of a layer, in order, without those that kprune's
    wrappers add."""
    added = own_variables.added(layer)
    return [v for v in layer.variables if id(v) not in added]


def states(layer):
    """Returns the states that recurrent layers keep from batch to batch, which
    Keras does not list among their variables."""
    return [
        state
        for one in keras_internals.all_layers(layer)
        if isinstance(one, keras.layers.RNN) and one.stateful
        for state in keras.tree.flatten(one.states or [])
    ]


def copy_values(old, new, begun=()):
    """Gives a layer, built as another one is, the state of that.

    What a layer saves in a way of its own (a vocabulary, statistics that it
    computes other tensors of, quantized weights) goes through that way. Then
    every variable is assigned, but those in `begun`, which have their values:
    in saving, Keras merges what LoRA has learned. Operations hold nothing.
    """
    if not isinstance(old, keras.layers.Layer):
        return
    build_alike(old, new)
    _carry_own_state(old, new)
    for source, target in _paired_variables(old, new):
        if target not in begun:
            target.assign(source)
        if target.trainable != source.trainable:
            target.trainable = source.trainable
    for source, target in zip(states(old), states(new), strict=True):
        target.assign(source)
    for one, other in zip(
        keras_internals.unlisted_layers(old),
        keras_internals.unlisted_layers(new),
        strict=True,
    ):
        copy_values(one, other)


def _carry_own_state(old, new):
    if _saves_by_itself(old):
        store = {}
        old.save_own_variables(store)
        new.load_own_variables(
            {key: keras.ops.convert_to_numpy(v) for key, v in store.items()}
        )
    if hasattr(old, "save_assets"):
        with files.scratch_directory() as directory:
            old.save_assets(directory)
            new.load_assets(directory)
    for one, other in _paired_children(old, new):
        _carry_own_state(one, other)


def _saves_by_itself(layer):
    """Whether a layer's state is more than the values of its variables."""
    own = type(layer).load_own_variables
    if own is keras.layers.Layer.load_own_variables:
        return False
    # These do so for the sake of quantized weights alone.
    plain = layer.dtype_policy.quantization_mode is None
    return not (plain and own in (one.load_own_variables for one in _PLAIN))


def _paired_variables(old, new):
    """Returns (variable, variable in its place): in order, or by name if a
    copy makes them in another order, as quantized layers do."""
    sources, targets = values(old), values(new)
    if list(map(_told, sources)) == list(map(_told, targets)):
        return list(zip(sources, targets, strict=True))
    one, other = dict(weights.named(old)), dict(weights.named(new))
    if len(one) == len(sources) and one.keys() == other.keys():
        sources, targets = list(one.values()), [other[name] for name in one]
    if [tuple(v.shape) for v in sources] != [tuple(v.shape) for v in targets]:
        raise ValueError(
            f"The copy of {old.name!r} made from its config has "
            f"{len(targets)} variables. Expected {len(sources)} of the same "
            "shapes: its `get_config` does not describe it in full."
        )
    return list(zip(sources, targets, strict=True))


def _told(variable):
    return variable.name, tuple(variable.shape)


def _paired_children(old, new):
    pairs = zip(weights.children(old), weights.children(new), strict=False)
    children = [
        (weights.unwrapped(a), weights.unwrapped(b)) for (_, a), (_, b) in pairs
    ]
    beside = map(keras_internals.layers_beside, (old, new))
    return [*children, *zip(*beside, strict=False)]
