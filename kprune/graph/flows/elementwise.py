"""Layers that treat each channel alike and on its own."""

from typing import Any

import keras
import numpy as np

from kprune.graph.flows.flow import Aligned, Slices
from kprune.runtime import keras_internals

layers = keras.layers

_FUNCTIONS = (
    *("celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid"),
    *("hard_silu", "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "mish"),
    *("relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softplus"),
    *("softsign", "sparse_plus", "squareplus", "tanh", "tanh_shrink"),
    "threshold",
)


def works_on_each(activation: Any) -> bool:
    """Returns whether an activation function is elementwise."""
    known = {getattr(keras.activations, name, None) for name in _FUNCTIONS}
    return activation in known - {None} or _is_made_of_such(activation)


def _is_made_of_such(function):
    """Returns whether a user's function is made only of elementwise operations
    and arithmetic with scalars."""
    if isinstance(function, keras.layers.Layer):
        return False  # Tracing might build it.
    x = keras.KerasTensor((1, 3))
    try:
        calls, outputs = keras_internals.trace(function, (x,), {})
    except Exception:
        return False
    kinds = {type(operation) for operation, _, _ in calls}
    given = keras.tree.flatten([arguments for _, arguments, _ in calls])
    numbers = [y for y in given if not isinstance(y, keras.KerasTensor)]
    return (
        [y.shape for y in outputs] == [x.shape]
        and all(k.__module__.startswith("keras.") for k in kinds)
        and _ON_EACH.issuperset(k.__name__ for k in kinds)
        and not any(map(np.ndim, numbers))
    )


class Unchanged(Aligned):
    """Layers that leave a constant channel unchanged."""

    def constants(self, call, values):
        del call
        return values[0]


class Average(Unchanged):
    """Global average pooling, over all positions or those of a mask."""

    masked = True


class Function(Aligned):
    """An elementwise function."""

    def constants(self, call, values):
        (value,) = values
        varies = np.isnan(value)
        result = call.run([np.where(varies, 0, value)])
        return np.where(varies, np.nan, result)


class Activation(Function):
    """`Activation(f)`. Some functions, such as softmax, mix channels."""

    def whole(self, call):
        if not works_on_each(call.operation.activation):
            reason = f"{call.operation.name!r} may mix channels"
            yield call.inputs[0].numbers, reason

    def constants(self, call, values):
        if works_on_each(call.operation.activation):
            return super().constants(call, values)
        return np.full_like(values[0], np.nan)


class Mixing(Aligned):
    """Layers whose output channels depend on all input channels."""

    def whole(self, call):
        reason = f"{call.operation.name!r} mixes its channels"
        yield call.inputs[0].numbers, reason

    def constants(self, call, values):
        del call
        return np.full_like(values[0], np.nan)


class Padding(Aligned):
    """Zero padding: only a zero channel stays constant."""

    def constants(self, call, values):
        del call
        return np.where(values[0] == 0, 0, np.nan)


class UpSampling(Unchanged):
    """Upsampling. Bicubic and similar interpolations preserve a constant only
    approximately."""

    def constants(self, call, values):
        method = getattr(call.operation, "interpolation", "nearest")
        exact = method in ("nearest", "bilinear")
        return values[0] if exact else np.full_like(values[0], np.nan)


class Rescaling(Function):
    def unfit(self, call):
        layer = call.operation
        if np.ndim(layer.scale) or np.ndim(layer.offset):
            return "it scales each channel by a number of its own"
        return super().unfit(call)


class PReLU(Aligned):
    """`PReLU`. A constant negative input varies if its slope does."""

    owns = True

    def constants(self, call, values):
        (value,) = values
        alpha = np.asarray(call.operation.alpha, "float64")
        alpha = alpha.reshape(-1, alpha.shape[-1])
        alpha = np.where((alpha == alpha[0]).all(0), alpha[0], np.nan)
        return np.where(value >= 0, value, alpha * value)

    def axes(self, call):
        layer, (signal,) = call.operation, call.inputs
        if layer.alpha.shape[-1] != signal.channels:
            return {}  # All channels share one slope.
        return {"alpha": [Slices(-1, signal)]}


FLOWS = {
    **dict.fromkeys(
        (
            *(layers.Identity, layers.ActivityRegularization),
            *(layers.Dropout, layers.AlphaDropout, layers.GaussianDropout),
            *(layers.SpatialDropout1D, layers.SpatialDropout2D),
            *(layers.SpatialDropout3D, layers.GaussianNoise),
            *(layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D),
            *(layers.AveragePooling1D, layers.AveragePooling2D),
            *(layers.AveragePooling3D, layers.GlobalAveragePooling2D),
            layers.GlobalAveragePooling3D,
            *(layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D),
            layers.GlobalMaxPooling3D,
            *(layers.Cropping1D, layers.Cropping2D, layers.Cropping3D),
        ),
        Unchanged(),
    ),
    **dict.fromkeys(
        (layers.ReLU, layers.LeakyReLU, layers.ELU),
        Function(),
    ),
    **dict.fromkeys(
        (layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D),
        Padding(),
    ),
    **dict.fromkeys(
        (layers.UpSampling1D, layers.UpSampling2D, layers.UpSampling3D),
        UpSampling(),
    ),
    **dict.fromkeys(
        (
            *(layers.Softmax, layers.LayerNormalization),
            *(layers.RMSNormalization, layers.UnitNormalization),
        ),
        Mixing(),
    ),
    layers.GlobalAveragePooling1D: Average(),
    layers.Activation: Activation(),
    layers.Rescaling: Rescaling(),
    layers.PReLU: PReLU(),
}
_ARITHMETIC = ("Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Power")
OPERATIONS = dict.fromkeys(
    (
        *("Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Celu", "Gelu", "Silu"),
        *("Tanh", "Sigmoid", "HardSigmoid", "HardSilu", "Softplus", "Softsign"),
        *("Exp", "Square", "Sqrt", "Abs", "Absolute", "Negative", "Cast"),
    ),
    Function(),
)
_ON_EACH = {*OPERATIONS, *_ARITHMETIC, "Maximum", "Minimum"}
