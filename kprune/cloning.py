"""Copies of Keras models, built and with the same values.

`keras.models.clone_model` copies the structure of graphs only, with fresh
weights. Here every variable is carried over (weights, statistics, random
state), subclassed models are copied too, and kprune's wrappers are looked
through: a copy is always a plain Keras model.
"""

import inspect

import keras

from kprune import keras_internals, notices, seeds, weights


def plain_copy(model, change_config=None):
    """Returns a copy of a model without kprune's wrappers, values included.

    Args:
        model: A built Keras model.
        change_config: Optional function from a layer's config to the config
            to build its copy from.

    Returns:
        A new model. It is not compiled: see `carry_compile`.

    Raises:
        ValueError: If a subclassed model cannot be rebuilt from its config.
    """
    change_config = change_config or (lambda config: config)
    with seeds.untouched():
        if keras_internals.is_graph(model):
            return _copy_graph(model, change_config)
        return _copy_subclassed(model, change_config)


def rebuild(model, replace):
    """Returns the graph of a model with layers replaced.

    Args:
        model: A Sequential or Functional model without wrappers that nobody
            else uses: layers that `replace` takes over are not copied again.
        replace: Function from a layer to the layer to put in its place, or
            `None` to leave it as it is.
    """
    pairs = []

    def clone(layer):
        new = replace(layer)
        if new is None:
            new = _from_config(layer)
            pairs.append((layer, new))
        return new

    with seeds.untouched():
        new = _clone_graph(model, clone)
    for old, copy in pairs:
        _copy_values(old, copy)
    return new


def carry_compile(model, copy):
    """Compiles `copy` as `model` is compiled, with a fresh optimizer.

    A loss or metric that cannot be rebuilt from a config leaves the copy not
    compiled, with a warning.
    """
    if not model.compiled:
        return
    try:
        with seeds.untouched():
            copy.compile_from_config(model.get_compile_config())
    except (TypeError, ValueError) as error:
        notices.warn(
            f"Model {model.name!r} is compiled with something that cannot be "
            f"rebuilt from its config, so call `compile` again: {error}",
        )


def _copy_graph(model, change_config):
    pairs = []

    def clone(layer):
        inner = _unwrapped(layer)
        new = _from_config(inner, change_config)
        new.name = layer.name
        pairs.append((inner, new))
        return new

    new = _clone_graph(model, clone)
    for old, copy in pairs:
        _copy_values(old, copy)
    return new


def _from_config(layer, change_config=lambda config: config):
    new = type(layer).from_config(change_config(layer.get_config()))
    # A layer that does not define `get_config` forgets its name.
    new.name = layer.name
    return new


def _clone_graph(model, clone_layer):
    with keras_internals.not_compiled(model):
        new = keras.models.clone_model(
            model, clone_function=clone_layer, recursive=True
        )
    new.trainable = model.trainable
    _copy_trainable(model, new)
    return new


def _copy_trainable(old, new):
    """Setting `trainable` on a layer sets it on all below: set them back."""
    pairs = zip(weights.children(old), weights.children(new), strict=True)
    for (_, old_child), (_, new_child) in pairs:
        new_child.trainable = old_child.trainable
        if type(old_child) is type(new_child):
            _copy_trainable(old_child, new_child)


def _copy_subclassed(model, change_config):
    plain = getattr(type(model), "plain_class", type(model))
    try:
        new = plain.from_config(change_config(constructor_config(model)))
        if not new.built:
            new.build_from_config(model.get_build_config())
        _copy_values(model, new)
        new.trainable = model.trainable
        _copy_trainable(model, new)
    except Exception as error:
        raise ValueError(
            f"Model {model.name!r} of class {plain.__name__} cannot be copied "
            "from its config. Expected `get_config` and `from_config` to "
            "rebuild it, or pass `inplace=True` to change the model itself. "
            f"Received: {type(error).__name__}: {error}"
        ) from error
    return new


def constructor_config(model):
    """Returns the config that rebuilds a subclassed model.

    Keras adds `trainable` and `dtype` to it whether or not the constructor
    takes them, so that a model written without `**kwargs` could not be
    rebuilt.
    """
    plain = getattr(type(model), "plain_class", type(model))
    config = plain.get_config(model)
    taken = inspect.signature(plain.__init__).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in taken):
        return config
    names = {p.name for p in taken}
    extra = {"name", "trainable", "dtype"} - names
    return {k: v for k, v in config.items() if k not in extra}


def _unwrapped(layer):
    return layer.layer if hasattr(type(layer), "mask_of") else layer


def values(layer):
    """Returns the variables of a layer, in order, without kprune's masks."""
    masks = set()

    def collect(current):
        if hasattr(type(current), "mask_of"):
            masks.update(id(m) for m, *_ in current.mask_of().values())
        for inner in current._flatten_layers(include_self=False):
            if hasattr(type(inner), "mask_of"):
                masks.update(id(m) for m, *_ in inner.mask_of().values())

    collect(layer)
    return [v for v in layer.variables if id(v) not in masks]


def _copy_values(old, new):
    sources = values(old) if hasattr(old, "variables") else []
    targets = new.variables if hasattr(new, "variables") else []
    if [tuple(v.shape) for v in sources] != [tuple(v.shape) for v in targets]:
        raise ValueError(
            f"The copy of {old.name!r} made from its config has "
            f"{len(targets)} variables. Expected {len(sources)} of the same "
            "shapes: its `get_config` does not describe it in full."
        )
    for source, target in zip(sources, targets, strict=True):
        target.assign(source)
