"""Layers with kernels: each output channel is a sum over input channels.

Input channels end here. A removed channel that is constant is folded:

- into the bias, if it adds the same sum at every position;
- with zero padding, into the kernel slice of another constant channel that
  stays: channels c and d of values v and u give v K_c + u K_d, which equals
  u (K_d + v/u K_c), also at the border.
"""

import keras
import numpy as np

from kprune.graph.flows.elementwise import works_on_each
from kprune.graph.flows.flow import Flow, Kernel, Reading, Slices

layers = keras.layers


class Weighted(Flow):
    """Base of layers with a kernel, bias and activation."""

    owns = True

    def whole(self, call):
        if not self._acts_on_each(call.operation):
            name = call.operation.name
            reason = f"the activation of {name!r} may mix channels"
            yield call.outputs[0].numbers, reason

    def _acts_on_each(self, layer):
        activation = getattr(layer, "activation", None)
        return activation is None or works_on_each(activation)

    def _activated(self, layer, value):
        """Returns the layer's output for the sums of its kernel: adds the bias
        and applies the activation."""
        varies = np.isnan(value)
        if not self._acts_on_each(layer):
            return np.full_like(value, np.nan)
        if getattr(layer, "bias", None) is not None:
            value = value + np.asarray(layer.bias, "float64")
        if getattr(layer, "activation", None) is not None:
            filled = np.where(varies, 0, value).astype("float32")
            filled = layer.activation(keras.ops.convert_to_tensor(filled))
            value = np.asarray(filled, "float64")
        return np.where(varies, np.nan, value)


class Linear(Weighted, Kernel):
    """A kernel that connects every input channel to every output channel.

    Args:
        size: Name of the config entry for the number of output channels.
        in_axis, out_axis: Axes of the kernel. Default to -2 and -1.
    """

    merges = True

    def __init__(self, size, in_axis=-2, out_axis=-1):
        self.size, self.in_axis, self.out_axis = size, in_axis, out_axis

    def links(self, layer):
        return (self._matrices(layer) != 0).any(0)

    def response(self, layer, channels):
        return self._matrices(layer)[:, channels].sum(0, dtype="float64")

    def pads(self, layer):
        padding = getattr(layer, "padding", "valid")
        return padding != "valid" and np.prod(layer.kernel_size) > 1

    def constants(self, call, values):
        layer, (value,) = call.operation, values
        links = self.links(layer)
        spoilt = np.isnan(value)
        if self.pads(layer):
            spoilt |= value != 0
        varies = links[spoilt].any(0)
        known = np.flatnonzero(np.nan_to_num(value))
        total = value[known] @ self.response(layer, known)
        return self._activated(layer, np.where(varies, np.nan, total))

    def merged(self, kernel, channel, others, ratios):
        """Returns the kernel with the slices of input channels `others`, times
        `ratios`, added to the slice of `channel`."""
        kernel = np.moveaxis(np.array(kernel), self.in_axis, 0)
        kernel[channel] += np.tensordot(ratios, kernel[others], 1)
        return np.moveaxis(kernel, 0, self.in_axis)

    def axes(self, call):
        (given,), (made,) = call.inputs, call.outputs
        return {
            "kernel": [
                Slices(self.in_axis, given, reads=True),
                Slices(self.out_axis, made),
            ],
            "bias": [Slices(0, made)],
        }

    def readings(self, call):
        (given,), (made,) = call.inputs, call.outputs
        return [Reading(self, call.operation, given, made)]

    def config(self, call, kept, biased):
        size = {self.size: len(kept(call.outputs[0]))}
        return size | ({"use_bias": True} if call.operation in biased else {})

    def _matrices(self, layer):
        kernel = np.moveaxis(
            np.asarray(layer.kernel), (self.in_axis, self.out_axis), (-2, -1)
        )
        return kernel.reshape(-1, *kernel.shape[-2:])


class Dense(Linear):
    may_select = True

    def pads(self, layer):
        return False


class Einsum(Dense):
    """A dense layer written as an equation, such as "abc,cd->abd"."""

    def unfit(self, call):
        layer = call.operation
        inputs, kernel, outputs = self._letters(layer)
        dense = len(kernel) == 2 and (inputs[-1:], outputs) == (
            kernel[0],
            inputs[:-1] + kernel[1],
        )
        if not dense or layer.bias_axes not in (None, kernel[1]):
            return "its equation is not that of a dense layer"
        return super().unfit(call)

    def config(self, call, kept, biased):
        layer = call.operation
        *shape, _ = layer.partial_output_shape
        size = {"output_shape": [*shape, len(kept(call.outputs[0]))]}
        bias = {"bias_axes": self._letters(layer)[1][1]}
        return size | (bias if layer in biased else {})

    def _letters(self, layer):
        left, outputs = layer.equation.replace(" ", "").split("->")
        return *left.split(","), outputs


class Convolution(Linear):
    def of(self, layer):
        return self if layer.groups == 1 else _GROUPED


class Transposed(Linear):
    """A transposed convolution: a constant input gives a constant output only
    if the kernel and the strides are 1."""

    def pads(self, layer):
        return np.prod(layer.kernel_size) > 1 or np.prod(layer.strides) > 1


class Separable(Linear):
    """A separable convolution: a depthwise and a pointwise kernel."""

    merges = False

    def links(self, layer):
        depthwise, pointwise = self._kernels(layer)
        return np.einsum("im,imo->io", depthwise.any(0), pointwise != 0)

    def response(self, layer, channels):
        depthwise, pointwise = self._kernels(layer)
        sums = depthwise.sum(0, dtype="float64")[channels]
        return np.einsum("im,imo->io", sums, pointwise[channels])

    def axes(self, call):
        (given,), (made,) = call.inputs, call.outputs
        times = call.operation.depth_multiplier
        return {
            "depthwise_kernel": [Slices(-2, given, reads=True)],
            "pointwise_kernel": [
                Slices(-2, given, times, reads=True),
                Slices(-1, made),
            ],
            "bias": [Slices(0, made)],
        }

    def _kernels(self, layer):
        depthwise = np.asarray(layer.depthwise_kernel)
        pointwise = np.asarray(layer.pointwise_kernel)
        inputs, times = depthwise.shape[-2:]
        return (
            depthwise.reshape(-1, inputs, times),
            pointwise.reshape(inputs, times, -1),
        )


class Grouped(Weighted):
    """A grouped convolution: output channels read only the inputs of their
    group.

    A group is removed as a whole. In a depthwise layer, each group has one
    input.
    """

    def together(self, call):
        groups = self._groups(call.operation)
        inputs = call.inputs[0].numbers.reshape(groups, -1)
        outputs = call.outputs[0].numbers.reshape(groups, -1)
        for members in (*inputs.T, *outputs.T):
            yield outputs[:, 0], members

    def constants(self, call, values):
        layer = call.operation
        groups = self._groups(layer)
        value = values[0].reshape(groups, -1, 1)
        kernel = self._kernel(layer)
        spoilt = np.isnan(value)
        if layer.padding != "valid" and np.prod(layer.kernel_size) > 1:
            spoilt |= value != 0
        varies = (spoilt & (kernel != 0).any(0)).any(1).ravel()
        sums = kernel.sum(0, dtype="float64")
        total = (np.nan_to_num(value) * sums).sum(1).ravel()
        return self._activated(layer, np.where(varies, np.nan, total))

    def axes(self, call):
        (made,) = call.outputs
        return {"kernel": [Slices(-1, made)], "bias": [Slices(0, made)]}

    def config(self, call, kept, biased):
        per_group = call.inputs[0].channels // self._groups(call.operation)
        return {
            "filters": len(kept(call.outputs[0])),
            "groups": len(kept(call.inputs[0])) // per_group,
        }

    def _groups(self, layer):
        return layer.groups

    def _kernel(self, layer):
        """Returns the kernel as an array (positions, groups, inputs per group,
        outputs per group)."""
        kernel = np.asarray(layer.kernel)
        *_, inputs, outputs = kernel.shape
        groups = self._groups(layer)
        kernel = kernel.reshape(-1, inputs, groups, outputs // groups)
        return kernel.swapaxes(1, 2)


class Depthwise(Grouped):
    def axes(self, call):
        (given,), (made,) = call.inputs, call.outputs
        return {"kernel": [Slices(-2, given)], "bias": [Slices(0, made)]}

    def config(self, call, kept, biased):
        return {}

    def _groups(self, layer):
        return layer.kernel.shape[-2]

    def _kernel(self, layer):
        kernel = np.asarray(layer.kernel)
        *_, groups, outputs = kernel.shape
        return kernel.reshape(-1, groups, 1, outputs)


class Embedding(Flow):
    """An embedding: a channel is constant if its column of the table is."""

    owns = True

    def counted(self, call):
        return call.outputs

    def whole(self, call):
        reason = f"{call.operation.name!r} looks up what it is given"
        yield call.inputs[0].numbers, reason

    def constants(self, call, values):
        table = np.asarray(call.operation.embeddings, "float64")
        return np.where((table == table[0]).all(0), table[0], np.nan)

    def axes(self, call):
        return {"embeddings": [Slices(-1, call.outputs[0])]}

    def config(self, call, kept, biased):
        return {"output_dim": len(kept(call.outputs[0]))}


_GROUPED = Grouped()
FLOWS = {
    layers.Dense: Dense("units"),
    layers.EinsumDense: Einsum("output_shape"),
    **dict.fromkeys(
        (layers.Conv1D, layers.Conv2D, layers.Conv3D), Convolution("filters")
    ),
    **dict.fromkeys(
        (
            *(layers.Conv1DTranspose, layers.Conv2DTranspose),
            layers.Conv3DTranspose,
        ),
        Transposed("filters", in_axis=-1, out_axis=-2),
    ),
    **dict.fromkeys(
        (layers.SeparableConv1D, layers.SeparableConv2D), Separable("filters")
    ),
    **dict.fromkeys(
        (layers.DepthwiseConv1D, layers.DepthwiseConv2D), Depthwise()
    ),
    layers.Embedding: Embedding(),
}
