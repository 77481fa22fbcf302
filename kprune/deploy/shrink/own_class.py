"""Rebuilds a smaller model of the same class by its constructor.

A constructor that takes the width of a network, or the number of its heads, can
make the smaller model if all layers of that width keep equally many channels.
"""

from kprune.deploy.shrink import composites
from kprune.masking import cloning, layer_copies
from kprune.runtime import keras_internals


def remade(view, decision, small, pairs):
    """Returns a smaller model of the model's own class, or `None` if its
    constructor cannot make it.

    Args:
        view: A `weights.View` of the model.
        decision: The `Decision` for it.
        small, pairs: As `kprune.deploy.shrink.rebuild` returns them.

    Returns:
        The new model and its `pairs`, or `None`.
    """
    model = view.model
    moved = decision.parts or decision.bypassed
    if keras_internals.lists_layers(model) or moved:
        return None
    own, sources = layer_copies.values(model), {}
    for old, new, kept in pairs:
        sources[id(old)] = new, kept
    if len(layer_copies.values(small)) != len(own) or any(
        id(variable) not in sources for variable in own
    ):
        return None  # The variables differ, e.g. by added biases.
    new = _made(model, [sources[id(variable)][0] for variable in own])
    if new is None:
        return None
    new.trainable = model.trainable
    layer_copies.copy_trainable(model, new)
    found = []
    for old, variable in zip(own, layer_copies.values(new), strict=True):
        source, kept = sources[id(old)]
        variable.assign(source)
        found.append((old, variable, kept))
    return new, found


def _made(model, like):
    """Returns a model of the same class with variables shaped like `like`, or
    `None`."""
    try:
        config = layer_copies.constructor_config(model)
    except ValueError:  # It has no constructor config.
        return None

    def make(config):
        new = cloning.constructed(model, config)
        layer_copies.build_alike(model, new)
        return new

    shapes = (
        [tuple(v.shape) for v in variables]
        for variables in (layer_copies.values(model), like)
    )
    return composites.sized(config, make, *shapes)
