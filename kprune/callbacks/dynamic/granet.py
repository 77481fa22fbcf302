"""GraNet: gradual pruning with neuroregeneration (Liu et al., 2021).

https://arxiv.org/abs/2106.10404
"""

import dataclasses

import numpy as np

from kprune.callbacks.dynamic.sparser import SparsityRise, largest
from kprune.callbacks.dynamic.training_state import MaskUpdate
from kprune.callbacks.dynamic.updater import MaskUpdater
from kprune.runtime.methods import Method


class GraNet(MaskUpdater):
    """Prunes by magnitude step by step, and rewires at each step as RigL does.

        pruned:  the smallest |w| of the whole model, to a cubic schedule
        dropped: then in each layer a share of lowest |w|
        grown:   as many of highest |dL/dW| among those that are not active

    The share goes down on a cosine. The gradient is dense, of the loss on the
    batch that is next. What was pruned and grows at once begins at 0; what
    was dropped and grows at once keeps its value. From a dense model
    (`kprune.wrap`) or a sparser one, such as random masks by `"erk"`.

    Args:
        sparsity: Number in [0, 1), of all weights in the end. Defaults to 0.9.
        drop_fraction: Share to begin with. Defaults to 0.5.
        final_drop_fraction: Share at the end. Defaults to 0.005.
        until: Share of the time over which the sparsity rises. Defaults to
            0.7; the authors prune over 110 of 160 epochs.
    """

    end = "100%"
    needs = "gradients"
    needs_pruned = False
    remembers = ("initial",)

    def __init__(
        self,
        sparsity=0.9,
        drop_fraction=0.5,
        final_drop_fraction=0.005,
        until=0.7,
    ):
        super().__init__(drop_fraction, final_drop_fraction)
        self.rise = SparsityRise(sparsity, until)
        self._initial = 0.0

    def start(self, moment):
        self._initial = self.rise.begin(moment)

    def update(self, moment):
        pruned = largest(moment, self.rise.count(moment, self._initial))
        fewer = dataclasses.replace(moment, masks=pruned)
        masks = super().update(fewer).masks
        fresh = {name: masks[name] & ~mask for name, mask in pruned.items()}
        return MaskUpdate(masks, fresh)

    def grow_scores(self, moment):
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
