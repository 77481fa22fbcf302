"""Shrinks composite layers by their constructors or parts.

A constructor can make a smaller layer if an entry of its config sets the size,
such as the width between two dense layers. Otherwise (a block whose widths
differ from its siblings', attention with fewer heads of the same size) the
layer becomes a `ResizedLayer`.
"""

from kprune.deploy.shrink import resized
from kprune.masking import layer_copies, weights
from kprune.runtime import keras_internals


def by_config(layer, shapes, arguments):
    """Returns a layer of the same class with variables of given shapes, or
    `None` if changing its config cannot make one.

    Halving or doubling an entry of the config reveals which axes scale with
    it; their wanted lengths then determine the entry.

    Args:
        layer: A built composite layer.
        shapes: List of tuples, the wanted shape of each of its variables.
        arguments: Symbolic (args, kwargs) of a call of it.
    """
    try:
        config = layer_copies.constructor_config(layer)
    except ValueError:  # It has no constructor config.
        return None
    return sized(
        config,
        lambda config: _made(layer, config, arguments),
        _shapes(layer),
        shapes,
    )


def sized(config, make, before, wanted):
    """Returns a layer or model made from a config with changed sizes so that
    its variables have the wanted shapes, or `None` if there is no such config.

    Args:
        config: Dict of a constructor, with nested dicts of the layers in it.
        make: Function from such a config to a built layer or model. It raises
            if the config is invalid.
        before: List of tuples, the shapes of the variables with `config`.
        wanted: List of tuples, the wanted shapes.
    """
    axes = list(zip(_flat(before), _flat(wanted), strict=True))
    changes = {}
    for place, value in _numbers(config):
        if not any(_may_set(value, *axis) for axis in axes):
            continue
        found = _follows(place, value, config, make, axes)
        if len(found) > 1 or any(n % 1 for n in found):
            return None
        if found:
            changes[place] = int(found.pop())
    new = _tried(make, _changed(config, changes)) if changes else None
    return new if new is not None and _shapes(new) == wanted else None


def _numbers(config, place=()):
    """Yields the (path, value) of each positive integer in a nested config."""
    for key, value in config.items():
        if isinstance(value, dict):
            yield from _numbers(value, (*place, key))
        elif type(value) is int and value > 0:
            yield (*place, key), value


def _may_set(value, old, new):
    """Returns whether a size proportional to an axis of length `old` stays an
    integer at length `new`."""
    divides = old % value == 0 or value % old == 0
    return old != new and divides and value * new % old == 0


def _follows(place, value, config, make, axes):
    """Returns the set of values a size needs, one for each axis that scales
    with it: that doubles or halves if the size does."""
    smaller = [] if value % 2 else [value // 2]  # Halving takes less memory.
    for other in (*smaller, 2 * value):
        made = _tried(make, _changed(config, {place: other}))
        lengths = [] if made is None else _flat(_shapes(made))
        if len(lengths) == len(axes):
            return {
                value * new / old
                for (old, new), length in zip(axes, lengths, strict=True)
                if old != new and length * value == old * other
            }
    return set()


def _changed(config, changes, place=()):
    """Returns a config with the values at some paths replaced."""
    return {
        key: _changed(value, changes, (*place, key))
        if isinstance(value, dict)
        else changes.get((*place, key), value)
        for key, value in config.items()
    }


def _tried(make, config):
    try:
        return make(config)
    except Exception:  # The constructor rejects the size.
        return None


def by_parts(layer, parts, changes, arguments):
    """Returns a copy of a layer in which smaller layers replace some.

    Args:
        layer: A built composite layer.
        parts, changes: As for `resized.with_parts`; the layers are not built.
        arguments: Symbolic (args, kwargs) of a call of it.
    """
    new = resized.with_parts(resized.copied(layer), parts, changes)
    keras_internals.build_by_call(new, *arguments)
    return new


def paired(old, new, stop):
    """Yields (layer, its replacement) for a composite layer and all below.

    `stop` is a function from a layer to whether to skip the layers below it.
    """
    yield old, new
    if stop(old):
        return
    pairs = zip(weights.children(old), weights.children(new), strict=True)
    for (_, one), (_, other) in pairs:
        yield from paired(
            weights.unwrapped(one), weights.unwrapped(other), stop
        )


def _made(layer, config, arguments):
    new = type(layer).from_config(layer_copies.without_wrappers(config))
    new.name = layer.name
    if not new.built:
        new.build_from_config(layer.get_build_config() or {})
    keras_internals.build_by_call(new, *arguments)
    return new


def _shapes(layer):
    return [tuple(v.shape) for v in layer_copies.values(layer)]


def _flat(shapes):
    return [n for shape in shapes for n in shape]
