"""The layout of a weight's entries: outputs, inputs, gates."""

import dataclasses
import math
import numbers
from collections.abc import Sequence
from typing import Any

import keras

from kprune.runtime import checks
from kprune.runtime.words import shown

ROLES = (
    "kernel",
    "embeddings",
    "depthwise_kernel",
    "pointwise_kernel",
    "recurrent_kernel",
)
# Layer class -> {variable name: (output axes, input axes)}.
_REGISTERED: dict[type, dict[str, Any]] = {}


@dataclasses.dataclass(frozen=True)
class Layout:
    """The axes of a weight that index its output and input units.

    Args:
        shape: The weight's shape.
        view: A shape of the same size, to which `outputs` and `inputs` refer.
            For an LSTM or GRU kernel, it has a separate axis for the gates:
            (inputs, gates, units).
        outputs: Axes of `view` that together index the output units.
        inputs: Axes of `view` that together index the input units.
    """

    shape: tuple
    view: tuple
    outputs: tuple
    inputs: tuple

    @property
    def size(self) -> int:
        """The number of entries."""
        return math.prod(self.shape)


def register_layer(
    layer_class: type[keras.layers.Layer],
    **weights: Sequence[Sequence[int]],
) -> None:
    """Makes the weights of a custom layer class prunable.

    Args:
        layer_class: Subclass of `keras.layers.Layer`. Its own subclasses
            inherit the registration.
        **weights: For each weight, by the name given to `add_weight`: a pair
            of tuples, the axes that index output units and the axes that
            index input units.

    Raises:
        ValueError: If `layer_class` is not a layer class, or a value is not a
            pair of tuples of integers.

    Example:

    >>> class Bilinear(keras.layers.Layer):
    ...     def build(self, input_shape):
    ...         self.w = self.add_weight(shape=(8, 4, 4), name="w")
    >>> kprune.register_layer(Bilinear, w=((0,), (1, 2)))
    """
    if not (
        isinstance(layer_class, type)
        and issubclass(layer_class, keras.layers.Layer)
    ):
        raise ValueError(
            "Expected `layer_class` to be a subclass of keras.layers.Layer. "
            f"Received: {shown(layer_class)}"
        )
    for name, axes in weights.items():
        pair = _is_tuple(axes, 2) and all(map(_is_axes, axes))
        expected = "a pair of tuples of axes, those of outputs and of inputs"
        checks.require(pair, name, axes, expected)
    _REGISTERED[layer_class] = {
        name: (tuple(outputs), tuple(inputs))
        for name, (outputs, inputs) in weights.items()
    }


def _is_axes(value):
    return _is_tuple(value) and all(
        isinstance(axis, numbers.Integral) for axis in value
    )


def _is_tuple(value, size=None):
    return isinstance(value, tuple | list) and size in (None, len(value))


def of(layer, variable):
    """Returns the layout of a layer's weight, or `None` if its role is
    unknown."""
    for cls in type(layer).__mro__ if _REGISTERED else ():
        if variable.name in _REGISTERED.get(cls, {}):
            outputs, inputs = _REGISTERED[cls][variable.name]
            return _with_axes(tuple(variable.shape), outputs, inputs)
    if variable.name not in ROLES or not (shape := tuple(variable.shape)):
        return None
    if isinstance(layer, keras.layers.EinsumDense):
        return _einsum_layout(layer, shape)
    gates = _gates(layer, shape)
    if gates > 1:
        view = shape[:-1] + (gates, shape[-1] // gates)
        return Layout(shape, view, (len(view) - 1,), (len(view) - 3,))
    depthwise = isinstance(
        layer, (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
    )
    if variable.name == "depthwise_kernel" or depthwise:
        return _with_axes(shape, (-2, -1), (-2,))
    transposed = (
        keras.layers.Conv1DTranspose,
        keras.layers.Conv2DTranspose,
        keras.layers.Conv3DTranspose,
    )
    if isinstance(layer, transposed):
        return _with_axes(shape, (-2,), (-1,))
    return plain(shape)


def plain(shape):
    """Returns Keras' usual layout: outputs on the last axis, inputs on the one
    before."""
    shape = tuple(shape)
    return _with_axes(shape, (-1,), (-2,) if len(shape) > 1 else ())


def _with_axes(shape, outputs, inputs):
    positive = [
        tuple(axis % len(shape) for axis in axes) for axes in (outputs, inputs)
    ]
    return Layout(shape, shape, *positive)


def _einsum_layout(layer, shape):
    """Returns the layout from the equation: a kernel axis that occurs in the
    output is an output axis, any other is an input axis."""
    _, right = layer.equation.replace(" ", "").split(",")
    kernel, output = right.split("->")
    letters = kernel.replace(".", "")
    outputs = tuple(i for i, c in enumerate(letters) if c in output)
    inputs = tuple(i for i, c in enumerate(letters) if c not in output)
    return _with_axes(shape, outputs, inputs)


def _gates(layer, shape):
    """Returns the number of gates in the last axis of a recurrent layer's
    kernel; 1 for other layers."""
    units = getattr(layer, "units", None) or getattr(layer, "filters", None)
    recurrent = hasattr(layer, "recurrent_kernel")
    return shape[-1] // units if recurrent and units else 1
