"""Models that compute with functions of their weights."""

from kprune.masking import (
    cloning,
    layer_copies,
    subclassed_models,
    weight_wrapper,
    weights,
)
from kprune.runtime import keras_internals


def folds(model):
    """Whether a model computes with functions of its weights, of which
    `strip` stores the values."""
    weights.check_built(model)
    kind = weight_wrapper.WeightWrapper
    found = weight_wrapper.wrappers(model, kind)
    return any(hasattr(type(wrapper), "fold") for wrapper in found)


def folded(model):
    """Returns a plain model with the weights that wrappers compute with."""
    if keras_internals.lists_layers(model):
        copy = cloning.plain_copy(model)
    else:
        copy = _copy_of_constructed(model)

    def unwrapped(layer):
        if not hasattr(type(layer), "fold"):
            return None
        layer.fold()
        return layer.layer

    plain = cloning.replace_layers(copy, unwrapped)
    for one in subclassed_models.constructed(plain):
        one.__class__ = layer_copies.plain_class(one)
    return plain


def _copy_of_constructed(model):
    """Returns a copy of a model whose constructor makes the layers, with its
    wrappers and all values."""
    new = type(model).from_config(model.get_config())
    layer_copies.copy_values(model, new)
    return new
