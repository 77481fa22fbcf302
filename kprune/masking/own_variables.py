"""Separates a model's own variables from those of wrappers."""

from kprune.masking import weights
from kprune.runtime import keras_internals


def parameters(model):
    """Returns the variables that `count_params` counts, except those that
    wrappers add."""
    model = weights.find(model).model
    wrappers_have = added(model)
    return [v for v in model.weights if id(v) not in wrappers_have]


def added(layer):
    """Returns the ids of the variables that `Masked` wrappers add to a layer
    or model, such as masks."""
    found = set()
    for one in keras_internals.all_layers(layer):
        if weights.is_wrapper(one):
            found |= {id(v) for v in one.variables}
            found -= {id(v) for v in one.layer.variables}
    return found
