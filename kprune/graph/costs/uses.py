"""Counts the multiplications of one call by each weight entry."""

import math

import keras

from kprune.masking.layouts import ROLES


def knows(layer: keras.layers.Layer) -> bool:
    """Returns whether `of_call` has a rule for the class of a layer."""
    return _rule(layer) is not None


def of_call(
    layer: keras.layers.Layer,
    variable: keras.Variable,
    inputs: tuple[int | None, ...],
    outputs: tuple[int | None, ...],
) -> int | None:
    """Returns how often each entry of a weight is used in one call.

    Args:
        layer: A layer that `knows` accepts.
        variable: One of its variables.
        inputs, outputs: Shapes of the first input and output.

    Returns:
        Number of uses over the whole batch, or `None` if a shape is open or
        the role of the weight is unknown.
    """
    known = variable.name in (*ROLES, "reverse_embeddings")
    if not known or None in inputs or None in outputs:
        return None
    return _rule(layer)(layer, variable, inputs, outputs)


def _rule(layer):
    for classes, rule in _RULES:
        if isinstance(layer, classes):
            return rule
    # Keras does not export the cell of ConvLSTM1D, 2D and 3D.
    if type(layer).__name__ == "ConvLSTMCell":
        return _convolution
    return None


def _dense(layer, variable, inputs, outputs):
    """Once per vector: per example, or per element of a sequence."""
    del layer, variable, outputs
    return math.prod(inputs[:-1])


def _convolution(layer, variable, inputs, outputs):
    """Once per output position, for any stride, dilation and groups."""
    del variable, inputs
    return _positions(layer, outputs)


def _transposed(layer, variable, inputs, outputs):
    """Once per input position: each one multiplies the whole kernel."""
    del variable, outputs
    return _positions(layer, inputs)


def _positions(layer, shape):
    if layer.data_format == "channels_last":
        return math.prod(shape[:-1])
    return shape[0] * math.prod(shape[2:])


def _einsum(layer, variable, inputs, outputs):
    """Once per input element that the same entry multiplies."""
    del outputs
    left, right = layer.equation.replace(" ", "").split("->")[0].split(",")
    met = [n for c, n in zip(right, variable.shape, strict=True) if c in left]
    return math.prod(inputs) // math.prod(met)


def _embedding(layer, variable, inputs, outputs):
    """Never for a lookup. Once per vector for a ReversibleEmbedding called in
    reverse, from vectors to scores."""
    if len(outputs) > len(inputs):
        return 0
    tied = getattr(layer, "tie_weights", True)
    used = "embeddings" if tied else "reverse_embeddings"
    return math.prod(inputs[:-1]) if variable.name == used else 0


_RULES = (
    (
        (
            keras.layers.Conv1DTranspose,
            keras.layers.Conv2DTranspose,
            keras.layers.Conv3DTranspose,
        ),
        _transposed,
    ),
    (
        (
            keras.layers.Conv1D,
            keras.layers.Conv2D,
            keras.layers.Conv3D,
            keras.layers.DepthwiseConv1D,
            keras.layers.DepthwiseConv2D,
            keras.layers.SeparableConv1D,
            keras.layers.SeparableConv2D,
        ),
        _convolution,
    ),
    (keras.layers.EinsumDense, _einsum),
    (keras.layers.Embedding, _embedding),
    (
        (
            keras.layers.Dense,
            keras.layers.SimpleRNNCell,
            keras.layers.GRUCell,
            keras.layers.LSTMCell,
        ),
        _dense,
    ),
)
