"""MEST: memory-economic sparse training (Yuan et al., 2021).

https://arxiv.org/abs/2110.14032
"""

import numpy as np

from kprune.callbacks.dynamic.training_state import TrainingState
from kprune.callbacks.dynamic.updater import MaskUpdater
from kprune.runtime import checks
from kprune.runtime.methods import Method


def _mutation(progress, final, initial=0.0):
    """Returns `initial` for three quarters of the time, then half of it."""
    del final
    return initial if progress < 0.75 else initial / 2


class MEST(MaskUpdater):
    """Drops small weights with small gradients, and grows at random.

        dropped: in each layer a share of lowest |w| + lam |dL/dw|
        grown:   as many at random

    Elastic mutation: the share decreases in steps. Gradients are those of the
    loss on the next batch; only those of active weights count.

    Args:
        drop_fraction: Initial share to drop, in [0, 1]. Defaults to 0.2; it
            halves after three quarters of the time, as the authors' does at 90
            of 120 epochs.
        lam: Number >= 0, the weight of the gradient. Defaults to 0.01, as in
            the code of CHT's authors: MEST's code leaves it to its user.
    """

    every = "5ep"
    needs = "gradients"

    def __init__(self, drop_fraction: float = 0.2, lam: float = 0.01) -> None:
        super().__init__(drop_fraction, anneal=_mutation)
        checks.number("lam", lam, "[0, inf)")
        self.lam = lam

    def drop_scores(self, moment: TrainingState) -> dict[str, np.ndarray]:
        return {
            name: np.abs(w) + self.lam * np.abs(moment.gradients[name])
            for name, w in moment.weights.items()
        }


METHOD = Method(
    "mest",
    title="MEST",
    call='kprune.callbacks.DynamicSparseTraining("mest")',
    paper="Yuan et al., 2021",
    link="https://arxiv.org/abs/2110.14032",
    test="tests/callbacks/test_updaters.py::test_mest_by_hand",
    deviation="elastic mutation alone: the soft memory bound and the choice "
    "of examples are left out",
    build=MEST,
)
