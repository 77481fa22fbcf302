"""Selects the layers that TFMOT's wrappers wrap."""

import keras

from kprune.masking import weights
from kprune.masking.masked import Masked
from kprune.runtime import checks, keras_internals


def check_kind(name, value):
    """Raises unless `value` is a layer, a list of layers or a model."""
    expected = "a Keras layer, a list of layers, or a model"
    for one in value if isinstance(value, list) else [value]:
        checks.instance(name, one, keras.layers.Layer, expected)


def check_graph(name, model, instead, kept=()):
    """Raises unless the layers of a model can be wrapped.

    Args:
        name: The argument's name.
        model: A Keras model.
        instead: String, the call to recommend for models of other kinds.
        kept: Classes of wrappers that the model may have already.
    """
    weights.check_built(model)
    for one in [model, *_nested(model)]:
        if not keras_internals.lists_layers(one):
            raise ValueError(
                f"Expected `{name}` to be a Sequential or Functional model, of "
                f"such models and layers. Received: {one.name!r} of class "
                f"{type(one).__name__}. Use {instead}."
            )
    for layer in each_layer(model):
        if isinstance(layer, Masked) and not isinstance(layer, kept):
            raise ValueError(
                f"Layer {layer.name!r} has masks. Expected `{name}` to be a "
                "model without: take `kprune.strip(model)` or `strip_pruning` "
                "first."
            )


def each_layer(model):
    """Yields the layers of a model and of its nested models, but not these
    models."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from each_layer(layer)
        else:
            yield layer


def _nested(model):
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield layer
            if keras_internals.is_graph(layer):
                yield from _nested(layer)
