"""Shrinks composite layers by their constructors or parts.

A constructor can make what an entry of its config sets the size of, such as the
width between two dense layers. What it cannot make (a block that keeps other
widths than its siblings, attention of fewer heads of the same size) is a
`ResizedLayer`.
"""

import collections

from kprune.deploy.shrink import resized
from kprune.masking import layer_copies, weights
from kprune.runtime import keras_internals


def by_config(layer, shapes, arguments):
    """Returns a layer of the same class whose variables have given shapes, or
    `None` if no change of its config makes it.

    An entry of the config that is twice as large makes some axes so: the shapes
    of these tell which number it has to be.

    Args:
        layer: A built composite layer.
        shapes: List of tuples, one for each of its variables.
        arguments: Symbolic (args, kwargs) of a call of it.
    """
    try:
        config = layer_copies.constructor_config(layer)
    except ValueError:  # It has none.
        return None
    before, wanted = _flat(_shapes(layer)), _flat(shapes)
    changes = collections.defaultdict(set)
    for key, value in config.items():
        if type(value) is not int or value < 1:
            continue
        made = _made(layer, {**config, key: 2 * value}, arguments)
        doubled = [] if made is None else _flat(_shapes(made))
        if len(doubled) == len(before):
            changes[key] |= {
                value * n / old
                for old, twice, n in zip(before, doubled, wanted, strict=True)
                if old != n and twice == 2 * old
            }
    changes = {key: found for key, found in changes.items() if found}
    if not changes or any(
        len(found) > 1 or min(found) % 1 for found in changes.values()
    ):
        return None
    changes = {key: int(found.pop()) for key, found in changes.items()}
    new = _made(layer, {**config, **changes}, arguments)
    return new if new is not None and _shapes(new) == shapes else None


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
    try:
        new = type(layer).from_config(layer_copies.without_wrappers(config))
        new.name = layer.name
        if not new.built:
            new.build_from_config(layer.get_build_config() or {})
        keras_internals.build_by_call(new, *arguments)
    except Exception:  # It is no size that its constructor takes.
        return None
    return new


def _shapes(layer):
    return [tuple(v.shape) for v in layer_copies.values(layer)]


def _flat(shapes):
    return [n for shape in shapes for n in shape]
