"""Layers that normalize each channel, or groups of them."""

import keras
import numpy as np

from kprune.graph.flows.flow import Aligned, Slices

_STATISTICS = ("gamma", "beta", "moving_mean", "moving_variance")


def _values(layer, names):
    return [
        np.asarray(getattr(layer, name, None), "float64")
        if getattr(layer, name, None) is not None
        else default
        for name, default in names
    ]


class BatchNormalization(Aligned):
    """Batch normalization in inference mode: it uses the moving mean and
    variance, whatever the mask."""

    owns = True
    masked = True

    def unfit(self, call):
        axes = np.ravel(call.operation.axis)
        rank = len(call.inputs[0].shape)
        if len(axes) != 1 or axes[0] % rank != rank - 1:
            return "it normalizes along another axis than the last"
        return super().unfit(call)

    def constants(self, call, values):
        layer = call.operation
        mean, variance, gamma, beta = _values(
            layer,
            [
                *(("moving_mean", 0), ("moving_variance", 1)),
                *(("gamma", 1), ("beta", 0)),
            ],
        )
        scale = gamma / np.sqrt(variance + layer.epsilon)
        return (values[0] - mean) * scale + beta

    def axes(self, call):
        return {name: [Slices(0, call.inputs[0])] for name in _STATISTICS}


class GroupNormalization(Aligned):
    """Group normalization: a group is removed as a whole."""

    owns = True

    def unfit(self, call):
        rank = len(call.inputs[0].shape)
        if call.operation.axis % rank != rank - 1:
            return "it normalizes along another axis than the last"
        return super().unfit(call)

    def together(self, call):
        yield from super().together(call)
        numbers = call.inputs[0].numbers.reshape(self._groups(call), -1)
        for place in range(1, numbers.shape[1]):
            yield numbers[:, 0], numbers[:, place]

    def constants(self, call, values):
        layer, groups = call.operation, self._groups(call)
        value = values[0].reshape(groups, -1)
        gamma, beta = _values(layer, [("gamma", 1), ("beta", 0)])
        centred = value - value.mean(1, keepdims=True)
        variance = np.square(centred).mean(1, keepdims=True)
        result = centred / np.sqrt(variance + layer.epsilon)
        return result.ravel() * gamma + beta

    def axes(self, call):
        return {name: [Slices(0, call.inputs[0])] for name in ("gamma", "beta")}

    def config(self, call, kept, biased):
        per_group = call.inputs[0].channels // self._groups(call)
        return {"groups": len(kept(call.inputs[0])) // per_group}

    def _groups(self, call):
        groups = call.operation.groups
        return call.inputs[0].channels if groups == -1 else groups


FLOWS = {
    keras.layers.BatchNormalization: BatchNormalization(),
    keras.layers.GroupNormalization: GroupNormalization(),
}
