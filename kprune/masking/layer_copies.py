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
    """Returns the config unchanged."""
    return config


def from_config(layer, change_config=unchanged):
    """Returns a new layer or graph operation of the same name, made from the
    config of `layer` as `change_config` returns it."""
    config = without_wrappers(change_config(constructor_config(layer)))
    try:
        new = type(layer).from_config(config)
    except Exception as error:
        raise cannot_copy(layer, error) from error
    # A layer without its own `get_config` loses its name.
    new.name = layer.name
    return new


def cannot_copy(layer, error):
    """Returns the `ValueError` for a layer whose rebuilding raised `error`."""
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
    """Makes the variables of an unbuilt copy start with the values of `old`.

    Returns a `ByIdentity` whose keys will be the variables that do. Drawing
    initial values only to replace them would take most of a copy's time.
    Variables of other shapes, as in a smaller layer, start with zeros. A layer
    with sublayers initializes its variables as usual.
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
    """Builds a layer and its sublayers as another layer is built."""
    if old.built and not new.built:
        # Keras warns if it cannot build it; the sublayers are built below.
        with user_warnings.silenced():
            new.build_from_config(old.get_build_config() or {})
        new.built = True
    for one, other in _paired_children(old, new):
        build_alike(one, other)


def copy_trainable(old, new):
    """Copies `trainable` to all sublayers, parents first, since setting it on
    a layer sets it on all layers below."""
    for one, other in _paired_children(old, new):
        other.trainable = one.trainable
        copy_trainable(one, other)


def plain_class(model):
    """Returns the user's class of a model, without kprune's mixin."""
    return getattr(type(model), "plain_class", type(model))


def constructor_config(layer):
    """Returns the config that rebuilds a layer or subclassed model.

    Keras adds `name`, `trainable` and `dtype` to it whether or not the
    constructor takes them. Those that it does not take are removed, so that a
    class whose constructor has no `**kwargs` can be rebuilt.
    """
    wrapped, plain = type(layer), plain_class(layer)
    try:
        if wrapped is not plain:
            # Keras looks on the class for an overridden `get_config`.
            layer.__class__ = plain
        config = layer.get_config()
    except Exception as error:  # A user's `get_config` may raise anything.
        raise cannot_copy(layer, error) from error
    finally:
        if wrapped is not plain:
            layer.__class__ = wrapped
    extra = _not_taken(plain)
    return {k: v for k, v in config.items() if k not in extra}


@functools.cache
def _not_taken(cls):
    """Returns which of the arguments that Keras adds to a config a class's
    constructor does not take."""
    taken = inspect.signature(cls.__init__).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in taken):
        return set()
    return {"name", "trainable", "dtype"} - {p.name for p in taken}


def without_wrappers(config, held=_HELD):
    """Returns a config with each (nested) wrapper's config replaced by that of
    its layer.

    `held` is a dict from the registered name of a wrapper, or of a mixin for
    models with wrappers, to the key of the inner config.
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
    """Returns the variables of a layer, in order, except those that kprune's
    wrappers add."""
    added = own_variables.added(layer)
    return [v for v in layer.variables if id(v) not in added]


def states(layer):
    """Returns the states that stateful recurrent layers keep between batches,
    which Keras does not list among their variables."""
    return [
        state
        for one in keras_internals.all_layers(layer)
        if isinstance(one, keras.layers.RNN) and one.stateful
        for state in keras.tree.flatten(one.states or [])
    ]


def copy_values(old, new, begun=()):
    """Copies the state of a layer to another of the same config, and builds it.

    State that a layer saves by methods of its own (a vocabulary, statistics
    from which it computes other tensors, quantized weights) goes through these
    methods. Then every variable is assigned, since Keras merges LoRA's updates
    in saving, except those in `begun`, which already have their values.
    Operations have no state.
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
    """Returns whether a layer's state is more than its variables' values."""
    own = type(layer).load_own_variables
    if own is keras.layers.Layer.load_own_variables:
        return False
    # Keras' own layers override it only for quantized weights.
    plain = layer.dtype_policy.quantization_mode is None
    return not (plain and own in (one.load_own_variables for one in _PLAIN))


def _paired_variables(old, new):
    """Returns pairs (variable of `old`, variable of `new`): in order, or by
    name if the copy makes them in another order, as quantized layers do."""
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
