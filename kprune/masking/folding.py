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
    """Returns whether a model computes with functions of its weights, whose
    values `strip` stores."""
    weights.check_built(model)
    kind = weight_wrapper.WeightWrapper
    found = weight_wrapper.wrappers(model, kind)
    return any(hasattr(type(wrapper), "fold") for wrapper in found)


def folded(model):
    """Returns a plain copy that stores the weights its wrappers compute."""
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
    """Returns a copy, with wrappers and values, of a model whose constructor
    makes its layers."""
    new = type(model).from_config(model.get_config())
    layer_copies.copy_values(model, new)
    return new
