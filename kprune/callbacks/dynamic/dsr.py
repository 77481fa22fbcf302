"""DSR, dynamic sparse reparameterization (Mostafa and Wang, 2019).

https://arxiv.org/abs/1902.05967
"""

import numpy as np

from kprune.callbacks.dynamic.training_state import (
    MaskUpdate,
    TrainingState,
    counts,
)
from kprune.callbacks.dynamic.updater import MaskUpdater, best, dropped
from kprune.pruning.allocation.counts import shares
from kprune.runtime import checks
from kprune.runtime.methods import Method


class DSR(MaskUpdater):
    """Drops weights below an adaptive threshold that all layers share.

        dropped: |w| < H in every layer; the largest of a layer stays
        H <- H / 2  if more than 1.1 of the target were dropped,
        H <- 2 H    if fewer than 0.9
        grown:   at random, a layer's share in proportion to what it kept

    Active weights move between layers; their total is constant. Entries just
    dropped do not grow in the same update unless too few others are free. A
    layer without free entries passes its share on. Momentum is not reset.

    In the paper the first convolution, shortcuts and output layer are dense:
    `exclude` them in `kprune.prune`. The paper's updates become rarer during
    training (every 100, 200, 400 and 800 steps of 200 epochs); here they are
    regular.

    Args:
        drop_fraction: The target, as a share of all active weights, in [0, 1].
            Defaults to 0.1, kprune's choice: the paper gives counts.
        target: Integer >= 1, the target as a count, in place of a share;
            20000 for the paper's WRN-28-2, 600 for MNIST.
        threshold: Float > 0, the initial H. Defaults to 1e-3.
    """

    every = "100it"
    end = "95%"
    keeps_slots = True
    remembers = ("threshold",)

    def __init__(
        self,
        drop_fraction: float = 0.1,
        target: int | None = None,
        threshold: float = 1e-3,
    ) -> None:
        super().__init__(drop_fraction, anneal="constant")
        if target is not None:
            checks.integer("target", target, 1)
        checks.number("threshold", threshold, "(0, inf)")
        self.target = target
        self.threshold = threshold
        self._threshold = threshold

    def start(self, moment: TrainingState) -> None:
        self._threshold = self.threshold

    def update(self, moment: TrainingState) -> MaskUpdate:
        kept = self.drop(moment)
        grown = self.grow(moment, kept)
        self._adapt(moment, dropped(moment, kept))
        return MaskUpdate({name: kept[name] | grown[name] for name in kept})

    def drop(self, moment: TrainingState) -> dict[str, np.ndarray]:
        kept = {}
        for name, mask in moment.masks.items():
            size = np.abs(moment.weights[name])
            kept[name] = mask & (size >= self._threshold)
            if not kept[name].any() and mask.any():
                kept[name] = best("drop", size, mask, 1, moment, name)
        return kept

    def _adapt(self, moment, gone):
        target = self.target
        if target is None:
            target = self.drop_fraction * sum(moment.kept.values())
        if gone > 1.1 * target:
            self._threshold /= 2
        elif gone < 0.9 * target:
            self._threshold *= 2

    def candidates(
        self, moment: TrainingState, kept: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        free = {name: ~mask for name, mask in moment.masks.items()}
        if dropped(moment, kept) > sum(counts(free).values()):
            return super().candidates(moment, kept)
        return free

    def grow_counts(
        self,
        moment: TrainingState,
        kept: dict[str, np.ndarray],
        candidates: dict[str, np.ndarray],
    ) -> dict[str, int]:
        total = dropped(moment, kept)
        return shares(total, counts(kept), counts(candidates))


METHOD = Method(
    "dsr",
    title="DSR",
    call='kprune.callbacks.DynamicSparseTraining("dsr")',
    paper="Mostafa and Wang, 2019",
    link="https://arxiv.org/abs/1902.05967",
    test="tests/callbacks/test_updaters.py::test_dsr_by_hand",
    build=DSR,
)
