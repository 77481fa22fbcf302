"""Attention layers: heads stay or go; output channels stay.

The output is a sum over the heads, each weighted averages of its own values.
"""

import keras
import numpy as np

from kprune.graph.flows.flow import Flow, Kernel, Reading, Slices

_MAKERS = ("query_dense", "key_dense", "value_dense")


class Attention(Flow, Kernel):
    owns = True
    unit = "heads"

    def heads(self, layer):
        return layer.num_heads

    def unfit(self, call):
        if getattr(call.operation, "use_gate", False):
            return "its heads are gated"
        if getattr(call.operation, "quantization_mode", None):
            return "it is quantized"
        return super().unfit(call)

    def counted(self, call):
        return call.outputs  # Queries and values may be one tensor or two.

    def whole(self, call):
        reason = f"of {call.operation.name!r} heads go, not channels"
        for signal in (*call.inputs, *call.outputs):
            yield signal.numbers, reason

    def values(self, call, values):
        """A head whose values are zero gives zero, whatever it attends to."""
        (heads,) = call.inner
        some = np.zeros(heads.channels, bool)
        for variable, slices in self.made(call, "value_dense"):
            moved = np.moveaxis(np.asarray(variable), slices[0].axis, 0)
            some |= (moved != 0).reshape(heads.channels, -1).any(1)
        outputs = np.full(call.outputs[0].channels, np.nan)
        return [np.where(some, np.nan, 0.0), outputs]

    def readings(self, call):
        return [Reading(self, call.operation, call.inner[0], call.outputs[0])]

    def links(self, layer):
        kernel = np.asarray(layer.output_dense.kernel)
        heads, outputs = self.heads(layer), kernel.shape[-1]
        return (kernel != 0).reshape(heads, -1, outputs).any(1)

    def variables(self, call):
        (heads,) = call.inner
        kernel = call.operation.output_dense.kernel
        times = kernel.shape[0] // heads.channels
        found = [(kernel, [Slices(0, heads, times, reads=True)])]
        for part in _MAKERS:
            found += self.made(call, part)
        return found

    def made(self, call, part):
        """Returns the variables of a part that makes heads, as `variables`."""
        (heads,) = call.inner
        dense = getattr(call.operation, part)
        found = [(dense.kernel, [Slices(1, heads)])]
        if dense.bias is not None:
            found.append((dense.bias, [Slices(0, heads)]))
        return found

    def config(self, call, kept, biased):
        return {"num_heads": len(kept(call.inner[0]))}


class Grouped(Attention):
    """A head of keys and values with the queries that it serves, as in Gemma:
    heads come first in all kernels."""

    def heads(self, layer):
        return layer.num_key_value_heads

    def made(self, call, part):
        (heads,) = call.inner
        kernel = getattr(call.operation, part).kernel
        return [(kernel, [Slices(0, heads, kernel.shape[0] // heads.channels)])]

    def config(self, call, kept, biased):
        layer, heads = call.operation, len(kept(call.inner[0]))
        times = layer.num_query_heads // layer.num_key_value_heads
        return {"num_query_heads": heads * times, "num_key_value_heads": heads}


FLOWS = {keras.layers.MultiHeadAttention: Attention()}
ELSEWHERE = {
    "keras_hub>CachedMultiHeadAttention": Attention(),
    "keras_hub>CachedGemmaAttention": Grouped(),
}
