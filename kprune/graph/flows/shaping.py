"""Layers that reshape their input."""

import keras
import numpy as np

from kprune.graph.flows.elementwise import Unchanged
from kprune.graph.flows.flow import Flow

layers = keras.layers


class Reshape(Flow):
    """A reshape that splits the last axis or merges others into it, in C order.

    With C channels on one side and k * C on the other, channel i of the larger
    side is part of channel i mod C of the smaller.
    """

    owns = True

    def unfit(self, call):
        reason = super().unfit(call)
        if reason is not None:
            return reason
        sides = sorted([call.inputs[0].channels, call.outputs[0].channels])
        if sides[1] % sides[0]:
            return "it mixes channels with places"
        return None

    def together(self, call):
        sides = call.inputs[0], call.outputs[0]
        few, many = sorted(sides, key=lambda signal: signal.channels)
        times = many.channels // few.channels
        yield np.tile(few.numbers, times), many.numbers

    def constants(self, call, values):
        (value,), channels = values, call.outputs[0].channels
        if len(value) <= channels:
            return np.tile(value, channels // len(value))
        parts = value.reshape(-1, channels)
        return np.where((parts == parts[0]).all(0), parts[0], np.nan)

    def config(self, call, kept, biased):
        *shape, last = call.operation.target_shape
        if last != -1:
            last = len(kept(call.outputs[0]))
        return {"target_shape": [*shape, last]}


class Flatten(Reshape):
    owns = False

    def config(self, call, kept, biased):
        return {}


class Permute(Unchanged):
    def unfit(self, call):
        dims = call.operation.dims
        if dims[-1] != len(dims):
            return "it takes channels for places"
        return super().unfit(call)


FLOWS = {
    layers.Reshape: Reshape(),
    layers.Flatten: Flatten(),
    layers.Permute: Permute(),
    layers.RepeatVector: Unchanged(),
}
