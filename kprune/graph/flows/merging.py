"""Layers of several inputs: sums, products, concatenation."""

import keras
import numpy as np

from kprune.graph.calls import Signal
from kprune.graph.flows.flow import Flow

layers = keras.layers


class Merging(Flow):
    """Layers whose output channel i depends on channel i of every input."""

    def unfit(self, call):
        reason = super().unfit(call)
        if reason is not None:
            return reason
        channels = call.outputs[0].channels
        if any(s.channels not in (1, channels) for s in call.inputs):
            return "its inputs do not have the same channels"
        flat = keras.tree.flatten(call.arguments)
        if any(np.ndim(x) for x in flat if not isinstance(x, Signal)):
            return "it computes with an array of its own"
        return None

    def together(self, call):
        (output,) = call.outputs
        for signal in call.inputs:
            if signal.channels == output.channels:
                yield signal.numbers, output.numbers

    def whole(self, call):
        (output,) = call.outputs
        for signal in call.inputs:
            if signal.channels != output.channels:
                reason = f"{call.operation.name!r} has it act on all channels"
                yield signal.numbers, reason

    def constants(self, call, values):
        varies = np.any([np.isnan(v) + self._none(call) for v in values], 0)
        result = call.run([np.nan_to_num(v) for v in values])
        return np.where(varies, np.nan, result)

    def _none(self, call):
        return np.zeros(call.outputs[0].channels, bool)


class Product(Merging):
    """A product: zero times any value is the constant zero."""

    def constants(self, call, values):
        zero = np.any([(v == 0) | self._none(call) for v in values], 0)
        return np.where(zero, 0, super().constants(call, values))


class Quotient(Merging):
    """A quotient, which is followed only for a scalar divisor."""

    def unfit(self, call):
        args, _ = call.arguments
        if len(args) != 2 or not np.isscalar(args[1]):
            return "it divides by something that is no number"
        return super().unfit(call)


class Concatenate(Flow):
    """A concatenation, of channels or along another axis."""

    def together(self, call):
        (output,) = call.outputs
        if not self._of_channels(call):
            for signal in call.inputs:
                yield signal.numbers, output.numbers
            return
        start = 0
        for signal in call.inputs:
            stop = start + signal.channels
            yield signal.numbers, output.numbers[start:stop]
            start = stop

    def constants(self, call, values):
        if self._of_channels(call):
            return np.concatenate(values)
        same = np.all([value == values[0] for value in values], 0)
        return np.where(same, values[0], np.nan)

    def _of_channels(self, call):
        axis, rank = call.operation.axis, len(call.outputs[0].shape)
        return axis % rank == rank - 1


FLOWS = {
    **dict.fromkeys(
        (
            *(layers.Add, layers.Subtract, layers.Average),
            *(layers.Maximum, layers.Minimum),
        ),
        Merging(),
    ),
    layers.Multiply: Product(),
    layers.Concatenate: Concatenate(),
}
OPERATIONS = {
    **dict.fromkeys(("Add", "Subtract", "Maximum", "Minimum"), Merging()),
    "Multiply": Product(),
    **dict.fromkeys(("Divide", "TrueDivide"), Quotient()),
}
