"""Shrinks composite layers by their constructors or parts.

A constructor can make what an entry of its config sets the size of, such as the
width between two dense layers. What it cannot make (a block that keeps other
widths than its siblings, attention of fewer heads of the same size) is a
`ResizedLayer`.
"""

from kprune.deploy.shrink import resized
from kprune.masking import layer_copies, weights
from kprune.runtime import keras_internals


def by_config(layer, shapes, arguments):
    """Returns a layer of the same class whose variables have given shapes, or
    `None` if no change of its config makes it.

    An entry of the config that is half or twice as large makes some axes so:
    the shapes of these tell which number it has to be.

    Args:
        layer: A built composite layer.
        shapes: List of tuples, one for each of its variables.
        arguments: Symbolic (args, kwargs) of a call of it.
    """
    try:
        config = layer_copies.constructor_config(layer)
    except ValueError:  # It has none.
        return None
    return sized(
        config,
        lambda config: _made(layer, config, arguments),
        _shapes(layer),
        shapes,
    )


def sized(config, make, before, wanted):
    """Returns what is made of a config with other numbers in it so that its
    variables have given shapes, or `None` if no change of single ones does.

    Args:
        config: Dict, of a constructor, and of those of layers that it holds.
        make: Function from such a config to a layer or model, built. It raises
            where the config does not fit.
        before, wanted: Lists of tuples, the shapes of its variables as `config`
            makes them, and as they are to be.
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
    """Yields the (place, value) pairs of sizes, through dicts in a config."""
    for key, value in config.items():
        if isinstance(value, dict):
            yield from _numbers(value, (*place, key))
        elif type(value) is int and value > 0:
            yield (*place, key), value


def _may_set(value, old, new):
    """Whether a number that grows with an axis is whole for its new length."""
    divides = old % value == 0 or value % old == 0
    return old != new and divides and value * new % old == 0


def _follows(place, value, config, make, axes):
    """Returns the numbers that a place would need, by each axis that follows
    it: that is twice or half as long if the number is."""
    smaller = [] if value % 2 else [value // 2]  # It takes less memory.
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
    """Returns a config with other values at some places."""
    return {
        key: _changed(value, changes, (*place, key))
        if isinstance(value, dict)
        else changes.get((*place, key), value)
        for key, value in config.items()
    }


def _tried(make, config):
    try:
        return make(config)
    except Exception:  # It is no size that its constructor takes.
        return None


def by_parts(layer, parts, changes, arguments):
    """Returns a copy of a layer with smaller layers in some places.

    Args:
        layer: A built composite layer.
        parts, changes: As for `resized.with_parts`, of layers not built.
        arguments: Symbolic (args, kwargs) of a call of it.
    """
    new = resized.with_parts(resized.copied(layer), parts, changes)
    keras_internals.build_by_call(new, *arguments)
    return new


def paired(old, new, stop):
    """Yields (layer, layer in its place) for a composite layer and all below.

    `stop` is a function from a layer to whether not to look below it.
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
