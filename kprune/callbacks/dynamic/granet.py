"""GraNet: gradual pruning with neuroregeneration (Liu et al., 2021).

https://arxiv.org/abs/2106.10404
"""

import dataclasses

import numpy as np

from kprune.callbacks.dynamic.sparser import SparsityRise, largest
from kprune.callbacks.dynamic.training_state import MaskUpdate, TrainingState
from kprune.callbacks.dynamic.updater import MaskUpdater
from kprune.runtime.methods import Method


class GraNet(MaskUpdater):
    """Prunes gradually by magnitude, and rewires at each update as RigL does.

        pruned:  the smallest |w| of the whole model, on a cubic schedule
        dropped: then in each layer a share of lowest |w|
        grown:   as many of highest |dL/dW| among the inactive

    The share decreases on a cosine. The gradient is dense, of the loss on the
    next batch. Entries that are pruned and grow in one update start at 0;
    those that are dropped and grow in one update keep their values. The model
    starts dense (`kprune.wrap`) or sparse, such as with random `"erk"` masks.

    Args:
        sparsity: Number in [0, 1), final, over all weights. Defaults to 0.9.
        drop_fraction: Initial share to drop, in [0, 1]. Defaults to 0.5.
        final_drop_fraction: Final share, in [0, 1]. Defaults to 0.005.
        until: Number in (0, 1], the share of the time between begin and end
            over which the sparsity rises. Defaults to 0.7; the authors prune
            over 110 of 160 epochs.
    """

    end = "100%"
    needs = "gradients"
    needs_pruned = False
    remembers = ("initial",)

    def __init__(
        self,
        sparsity: float = 0.9,
        drop_fraction: float = 0.5,
        final_drop_fraction: float = 0.005,
        until: float = 0.7,
    ) -> None:
        super().__init__(drop_fraction, final_drop_fraction)
        self.rise = SparsityRise(sparsity, until)
        self._initial = 0.0

    def start(self, moment: TrainingState) -> None:
        self._initial = self.rise.begin(moment)

    def update(self, moment: TrainingState) -> MaskUpdate:
        pruned = largest(moment, self.rise.count(moment, self._initial))
        fewer = dataclasses.replace(moment, masks=pruned)
        masks = super().update(fewer).masks
        fresh = {name: masks[name] & ~mask for name, mask in pruned.items()}
        return MaskUpdate(masks, fresh)

    def grow_scores(self, moment: TrainingState) -> dict[str, np.ndarray]:
        return {name: np.abs(g) for name, g in moment.gradients.items()}


METHOD = Method(
    "granet",
    title="GraNet",
    call='kprune.callbacks.DynamicSparseTraining("granet", sparsity=0.9)',
    paper="Liu et al., 2021",
    link="https://arxiv.org/abs/2106.10404",
    test="tests/callbacks/test_sparser_updaters.py::test_granet_by_hand",
    deviation="the sparsity is reached exactly; numbers to drop are rounded "
    "down",
    build=GraNet,
)
