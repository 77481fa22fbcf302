"""The layout of a weight's entries: outputs, inputs, gates."""

import dataclasses
import math
import numbers

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
_REGISTERED = {}  # Layer class -> {variable name: (output axes, input axes)}.


@dataclasses.dataclass(frozen=True)
class Layout:
    """How the entries of a weight lie: which axes count outputs, which inputs.

    Args:
        shape: The weight's shape.
        view: The shape to look at it in, of the same size. It sets the gates
            of an LSTM or GRU kernel apart: (inputs, gates, units).
        outputs: Axes of `view` that together count the output units.
        inputs: Axes of `view` that together count the input units.
    """

    shape: tuple
    view: tuple
    outputs: tuple
    inputs: tuple

    @property
    def size(self):
        """Number of entries."""
        return math.prod(self.shape)


def register_layer(layer_class, **weights):
    """Makes the weights of a layer of one's own prunable.

    Args:
        layer_class: Subclass of `keras.layers.Layer`.
        **weights: For each weight, by the name given to `add_weight`: a pair
            of tuples, the axes that count output units and the axes that
            count input units.

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
    """Returns the layout of a weight whose role is known, else `None`."""
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
    """Outputs on the last axis, inputs on the one before: Keras' habit."""
    shape = tuple(shape)
    return _with_axes(shape, (-1,), (-2,) if len(shape) > 1 else ())


def _with_axes(shape, outputs, inputs):
    positive = [
        tuple(axis % len(shape) for axis in axes) for axes in (outputs, inputs)
    ]
    return Layout(shape, shape, *positive)


def _einsum_layout(layer, shape):
    """Reads the axes off the equation: an axis of the kernel that the output
    has is an output axis, one that only the input has is an input axis."""
    _, right = layer.equation.replace(" ", "").split(",")
    kernel, output = right.split("->")
    letters = kernel.replace(".", "")
    outputs = tuple(i for i, c in enumerate(letters) if c in output)
    inputs = tuple(i for i, c in enumerate(letters) if c not in output)
    return _with_axes(shape, outputs, inputs)


def _gates(layer, shape):
    """Number of gates side by side in a recurrent kernel's last axis."""
    units = getattr(layer, "units", None) or getattr(layer, "filters", None)
    recurrent = hasattr(layer, "recurrent_kernel")
    return shape[-1] // units if recurrent and units else 1
