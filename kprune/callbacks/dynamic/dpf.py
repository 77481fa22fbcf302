"""DPF: dynamic model pruning with feedback (Lin et al., 2020).

https://arxiv.org/abs/2006.07253
"""

from kprune.callbacks.dynamic.sparser import (
    SparsityRise,
    largest,
    nothing_fresh,
)
from kprune.callbacks.dynamic.training_state import MaskUpdate, TrainingState
from kprune.callbacks.dynamic.updater import MaskUpdater
from kprune.runtime.methods import Method


class DPF(MaskUpdater):
    """Trains all weights with the gradient of the sparse network.

        mask: the largest |w| of the whole model, updated every 16 steps
        w <- w - lr dL/dW at w * mask, for pruned weights too

    A weight that was pruned too early grows under its mask and returns with
    the value it has then. Pruned weights are zeroed when training ends.

    Args:
        sparsity: Number in [0, 1), final, over all weights. Defaults to 0.9.
        until: Number in (0, 1], the share of the time between begin and end
            over which the sparsity rises. Defaults to 0.5. Masks are updated
            until the end.
    """

    every = "16it"
    end = "100%"
    keep_pruned_values = True
    keeps_slots = True
    needs_pruned = False
    remembers = ("initial",)

    def __init__(self, sparsity: float = 0.9, until: float = 0.5) -> None:
        super().__init__(drop_fraction=0.0, anneal="constant")
        self.rise = SparsityRise(sparsity, until)
        self._initial = 0.0

    def start(self, moment: TrainingState) -> None:
        self._initial = self.rise.begin(moment)

    def update(self, moment: TrainingState) -> MaskUpdate:
        count = self.rise.count(moment, self._initial)
        return nothing_fresh(largest(moment, count, active=False))


METHOD = Method(
    "dpf",
    title="DPF",
    call='kprune.callbacks.DynamicSparseTraining("dpf", sparsity=0.9)',
    paper="Lin et al., 2020",
    link="https://arxiv.org/abs/2006.07253",
    test="tests/callbacks/test_sparser_updaters.py::"
    "test_dpf_brings_back_what_has_grown_under_its_mask",
    deviation="how long the sparsity rises is kprune's choice, half of the "
    "time",
    build=DPF,
)
