"""Attention layers: heads stay or go; output channels stay.

The output is a sum over heads, each of which averages its own values.
"""

import keras
import numpy as np

from kprune.graph.flows.flow import (
    Flow,
    Kernel,
    Reading,
    Slices,
    not_plain,
)
from kprune.masking import weights

_MAKERS = ("query", "key", "value")


class Attention(Flow, Kernel):
    """`MultiHeadAttention`, and classes with the same dense layers."""

    owns = True
    unit = "heads"

    def heads(self, layer):
        return layer.num_heads

    def part(self, layer, name):
        """Returns the dense layer for `"query"`, `"key"`, `"value"` or
        `"output"`."""
        return getattr(layer, f"{name}_dense")

    def unfit(self, call):
        layer = call.operation
        if getattr(layer, "use_gate", False):
            return "its heads are gated"
        for name in (*_MAKERS, "output"):
            reason = not_plain(self.part(layer, name))
            if reason is not None:
                return reason
        return super().unfit(call)

    def counted(self, call):
        # Inputs are not counted: queries and values may be one tensor or two.
        return call.outputs

    def whole(self, call):
        reason = f"of {call.operation.name!r} heads go, not channels"
        for signal in (*call.inputs, *call.outputs):
            yield signal.numbers, reason

    def values(self, call, values):
        """Returns zero for a head that makes zero values: its output is zero,
        whatever it attends to. All other channels vary."""
        (heads,) = call.inner
        some = np.zeros(heads.channels, bool)
        for variable, slices in self.made(call, "value"):
            moved = np.moveaxis(np.asarray(variable), slices[0].axis, 0)
            some |= (moved != 0).reshape(heads.channels, -1).any(1)
        outputs = np.full(call.outputs[0].channels, np.nan)
        return [np.where(some, np.nan, 0.0), outputs]

    def readings(self, call):
        return [Reading(self, call.operation, call.inner[0], call.outputs[0])]

    def links(self, layer):
        kernel = np.asarray(self.part(layer, "output").kernel)
        heads, outputs = self.heads(layer), kernel.shape[-1]
        return (kernel != 0).reshape(heads, -1, outputs).any(1)

    def variables(self, call):
        (heads,) = call.inner
        kernel = self.part(call.operation, "output").kernel
        times = kernel.shape[0] // heads.channels
        found = [(kernel, [Slices(0, heads, times, reads=True)])]
        for part in _MAKERS:
            found += self.made(call, part)
        return found

    def made(self, call, part):
        """Returns the variables of a part that makes heads, in the form of
        `variables`."""
        (heads,) = call.inner
        dense = self.part(call.operation, part)
        times = dense.kernel.shape[1] // heads.channels
        found = [(dense.kernel, [Slices(1, heads, times)])]
        if dense.bias is not None:
            found.append((dense.bias, [Slices(0, heads, times)]))
        return found

    def config(self, call, kept, biased):
        return {"num_heads": len(kept(call.inner[0]))}


class Grouped(Attention):
    """Grouped-query attention as in Gemma, with heads first in all kernels.

    A channel is a head of keys and values with its group of queries.
    """

    def heads(self, layer):
        return layer.num_key_value_heads

    def made(self, call, part):
        (heads,) = call.inner
        kernel = self.part(call.operation, part).kernel
        return [(kernel, [Slices(0, heads, kernel.shape[0] // heads.channels)])]

    def config(self, call, kept, biased):
        layer, heads = call.operation, len(kept(call.inner[0]))
        times = layer.num_query_heads // layer.num_key_value_heads
        return {"num_query_heads": heads * times, "num_key_value_heads": heads}


class GroupedOfFixedWidth(Attention):
    """Grouped-query attention as in Llama, with heads on the kernels' second
    axis.

    The constructor divides the width of the input by the number of heads, so
    it cannot make fewer heads of the same size; the dense layers change
    instead.
    """

    _NAMES = {name: name for name in _MAKERS} | {"output": "attention_output"}

    def heads(self, layer):
        return self.part(layer, "key").partial_output_shape[-2]

    def part(self, layer, name):
        return self._held(layer)[self._NAMES[name]][1]

    def config(self, call, kept, biased):
        return {}

    def parts(self, call, kept):
        layer, (heads,) = call.operation, call.inner
        left, held = len(kept(heads)), self._held(layer)
        found = {}
        for name in _MAKERS:
            place, dense = held[name]
            width, made, size = dense.kernel.shape
            shape = [None, left * (made // heads.channels), size]
            found[place] = {"output_shape": shape}, (None, None, width)
        place, dense = held["attention_output"]
        read, size, _ = dense.kernel.shape
        read = left * (read // heads.channels)
        found[place] = {}, (None, None, read, size)
        return found

    def _held(self, layer):
        """Returns a dict from the name of a held layer to (place, layer)."""
        held = [(p, weights.unwrapped(x)) for p, x in weights.children(layer)]
        return {one.name: (place, one) for place, one in held}


FLOWS = {keras.layers.MultiHeadAttention: Attention()}
ELSEWHERE = {
    "keras_hub>CachedMultiHeadAttention": Attention(),
    "keras_hub>CachedGemmaAttention": Grouped(),
    **dict.fromkeys(
        (
            *("keras_hub>LlamaAttention", "keras_hub>CachedMistralAttention"),
            *("keras_hub>CachedMixtralAttention", "keras_hub>QwenAttention"),
            "keras_hub>Qwen3Attention",
        ),
        GroupedOfFixedWidth(),
    ),
}
