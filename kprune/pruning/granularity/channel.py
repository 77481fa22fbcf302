"""Output units with all weights that belong to them."""

import dataclasses
from collections.abc import Container
from typing import Any

import numpy as np

from kprune.graph import channels
from kprune.masking.layouts import Layout
from kprune.pruning.granularity import coupled_channels
from kprune.pruning.granularity.base import REDUCE, ByWeight, Granularity
from kprune.runtime import checks, lookup, types
from kprune.runtime.methods import Method

_SIDES = ("incoming", "outgoing")
_COSTS = (None, "flops", "parameters")


@dataclasses.dataclass(frozen=True)
class Channel(Granularity):
    """Output channels: units of dense or recurrent layers, filters, heads.

    In a model that is a graph of layers, and among the layers that one of its
    layers calls in its own code, a channel includes everything that must be
    removed with it, so that `kprune.shrink` can take it out: the slices of the
    kernels that produce it, those of the kernels that read it, and the
    channels that it is added to or multiplied with, across residual
    connections; in a recurrent layer, all gates of a unit, its states, and the
    same unit of the other direction of a `Bidirectional`. All these slices are
    pruned: no layer reads the value that a bias or batch normalization gives a
    removed channel. Channels that cannot be followed to their readers, or that
    are added to the model's input, stay, and the report says why. The sparsity
    is the share of such groups.

    Args:
        reduce: How to reduce the scores of a channel's entries to one:
            `"mean"` (default), which keeps the sign of signed scores, `"sum"`,
            `"max"`, `"l2"`, `"first"` or `"abs_sum"`. `"l2"` suits unsigned
            scores: with it, the magnitude of a filter at initialization does
            not depend on its layer's width. `"abs_sum"` suits signed scores:
            for products of weight and gradient, it is the sensitivity to a
            gate on the channel.
        output_layer: Whether to prune the model's output layer too, whose
            channels are the classes. Defaults to `False`.
        side: Whose scores count: `"incoming"` (default), those of the entries
            that produce the channel, or `"outgoing"`, of those that read it. A
            gate behind batch normalization and activation is on the outgoing
            side: before a batch normalization in training mode, signed scores
            sum to zero.
        per: `None` (default), or a cost to divide a channel's score by:
            `"flops"`, its multiply-adds, or `"parameters"`, its weights.
        tied: Whether coupled channels are removed together (default). `False`
            groups the output units of each weight by themselves (a unit with
            its gates for a recurrent kernel), on the incoming side only. This
            is always so in models that are not a graph of layers.
    """

    reduce: str = "mean"
    output_layer: bool = False
    side: str = "incoming"
    per: str | None = None
    tied: bool = True

    min_kept = 1

    def __post_init__(self):
        lookup.choose(self.reduce, REDUCE, "reduction")
        checks.choice("side", self.side, _SIDES)
        checks.choice("per", self.per, _COSTS)
        checks.boolean("output_layer", self.output_layer)
        checks.boolean("tied", self.tied)
        if not self.tied and (self.side != "incoming" or self.per):
            raise ValueError(
                'side="outgoing" and `per` need `tied=True`: without, only '
                "the entries that make a channel belong to it."
            )

    def allocation(self, entry: Method | None) -> str:
        return "normalized" if entry is None else entry.channel_allocation

    def outputs(self, layout: Layout) -> None:
        del layout  # A channel includes weights of other outputs.

    def leaves_output_layer(self, model: types.Model) -> bool:
        return not self.output_layer and not self._follows(model)

    def unprunable_reasons(
        self, model: types.Model, excluded: Container[str]
    ) -> dict[str, str]:
        if not self._follows(model):
            return {}
        return coupled_channels.unprunable_reasons(
            model, excluded, self.output_layer
        )

    def grouping(self, model: types.Model, layouts: dict[str, Layout]) -> Any:
        if self._follows(model):
            return coupled_channels.CoupledChannels(self, model, layouts)
        if self.side != "incoming" or self.per:
            raise ValueError(
                'side="outgoing" and `per` need a model that is a graph of '
                "layers (Sequential or Functional), in which channels can be "
                f"followed. Received: {type(model).__name__} {model.name!r}"
            )
        return ByWeight(self, layouts)

    def _follows(self, model):
        return self.tied and channels.followable(model)

    def pool(
        self,
        scores: np.ndarray,
        alive: np.ndarray,
        layout: Layout,
        rng: np.random.Generator,
    ) -> np.ndarray:
        del rng
        scores = np.where(alive, scores, 0).reshape(layout.view)
        return REDUCE[self.reduce](scores, axis=self._others(layout))

    def live(self, alive: np.ndarray, layout: Layout) -> np.ndarray:
        return alive.reshape(layout.view).any(axis=self._others(layout))

    def expand(self, kept: np.ndarray, layout: Layout) -> np.ndarray:
        kept = np.expand_dims(kept, self._others(layout))
        return np.broadcast_to(kept, layout.view).reshape(layout.shape).copy()

    def _others(self, layout):
        axes = range(len(layout.view))
        return tuple(axis for axis in axes if axis not in layout.outputs)
