"""SNFS, sparse momentum (Dettmers and Zettlemoyer, 2019).

https://arxiv.org/abs/1907.04840
"""

import math

import numpy as np

from kprune.callbacks.dynamic.training_state import TrainingState, counts
from kprune.callbacks.dynamic.updater import MaskUpdater, dropped
from kprune.pruning.allocation.counts import shares
from kprune.runtime.methods import Method

# The share of a layer's free entries that may grow in one update.
_ROOM = 0.99


class SNFS(MaskUpdater):
    """Grows where the momentum is large, in layers where it is large.

        dropped: in each layer the ceil(rate n) of lowest |w|
        grown:   the highest |momentum| among the free, a layer's share in
                 proportion to the mean |momentum| of its active weights

    The rate decreases on a cosine. A layer of sparsity below 0.2 whose mean
    momentum is below average drops at a rate of at most its sparsity. The
    momentum is the optimizer's: the momentum slot of SGD and similar ones,
    m / sqrt(v) of Adam. It is dense, which makes the gradients of all steps
    dense; new weights start at 0 and keep their momentum. A layer grows at
    most 0.99 of its free entries; the excess goes to the other layers, in
    proportion.

    Args:
        drop_fraction: The initial rate, in [0, 1]. Defaults to 0.5.
        final_drop_fraction: The final rate, in [0, 1]. Defaults to 0.005.
    """

    every = "1ep"
    end = "100%"
    needs = "momenta"
    keeps_slots = True

    def __init__(
        self, drop_fraction: float = 0.5, final_drop_fraction: float = 0.005
    ) -> None:
        super().__init__(drop_fraction, final_drop_fraction)

    def drop_counts(self, moment: TrainingState) -> dict[str, int]:
        rate, means = self.fraction(moment), _mean_momenta(moment)
        average = sum(means.values()) / len(means)
        found = {}
        for name, kept in moment.kept.items():
            sparsity = 1 - kept / moment.masks[name].size
            own = rate
            if sparsity < 0.2 and means[name] < average:
                own = min(sparsity, rate)
            # Floating point may put the product slightly above an integer.
            found[name] = math.ceil(own * kept - 1e-9)
        return found

    def grow_counts(
        self,
        moment: TrainingState,
        kept: dict[str, np.ndarray],
        candidates: dict[str, np.ndarray],
    ) -> dict[str, int]:
        total, free = dropped(moment, kept), counts(candidates)
        room = {name: int(_ROOM * count) for name, count in free.items()}
        if total > sum(room.values()):
            room = free
        return shares(total, _mean_momenta(moment), room)

    def grow_scores(self, moment: TrainingState) -> dict[str, np.ndarray]:
        return {name: np.abs(m) for name, m in moment.momenta.items()}


def _mean_momenta(moment):
    """Returns the mean |momentum| of the active entries of each weight."""
    means = {}
    for name, mask in moment.masks.items():
        active = np.abs(moment.momenta[name][mask])
        means[name] = float(active.mean(dtype=np.float64)) if active.size else 0
        if not math.isfinite(means[name]):
            raise ValueError(
                f"The momentum of {name!r} at step {moment.step} holds NaN or "
                "infinite values. Expected finite numbers: check the learning "
                "rate and the data."
            )
    return means


METHOD = Method(
    "snfs",
    title="SNFS",
    call='kprune.callbacks.DynamicSparseTraining("snfs")',
    paper="Dettmers and Zettlemoyer, 2019",
    link="https://arxiv.org/abs/1907.04840",
    test="tests/callbacks/test_updaters.py::test_snfs_by_hand",
    build=SNFS,
)
