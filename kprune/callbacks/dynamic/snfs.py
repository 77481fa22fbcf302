"""SNFS, sparse momentum (Dettmers and Zettlemoyer, 2019).

https://arxiv.org/abs/1907.04840
"""

import math

import numpy as np

from kprune.callbacks.dynamic.training_state import counts
from kprune.callbacks.dynamic.updater import MaskUpdater, dropped
from kprune.pruning.allocation.counts import shares
from kprune.runtime.methods import Method

# Of the free entries of a layer, how many may grow at once.
_ROOM = 0.99


class SNFS(MaskUpdater):
    """Grows where the momentum is large, in layers where it is large.

        dropped: in each layer the ceil(rate n) of lowest |w|
        grown:   the highest |momentum| among the free, a layer's share in
                 proportion to the mean |momentum| of its active weights

    The rate goes down on a cosine. A layer of sparsity below 0.2 with less
    momentum than the average drops its sparsity at most. The momentum is the
    optimizer's: of SGD and its like as it is, of Adam m / sqrt(v). It is kept
    dense, for which the gradients of all steps are dense, and new weights
    begin at 0 with the momentum that they have. What passes a layer's room
    (0.99 of its free entries) goes to the other layers, in proportion.

    Args:
        drop_fraction: The rate to begin with. Defaults to 0.5.
        final_drop_fraction: The rate at the end. Defaults to 0.005.
    """

    every = "1ep"
    end = "100%"
    needs = "momenta"
    keeps_slots = True

    def __init__(self, drop_fraction=0.5, final_drop_fraction=0.005):
        super().__init__(drop_fraction, final_drop_fraction)

    def drop_counts(self, moment):
        rate, means = self.fraction(moment), _mean_momenta(moment)
        average = sum(means.values()) / len(means)
        found = {}
        for name, kept in moment.kept.items():
            sparsity = 1 - kept / moment.masks[name].size
            own = rate
            if sparsity < 0.2 and means[name] < average:
                own = min(sparsity, rate)
            # A hair off, as floating point may be that above a whole number.
            found[name] = math.ceil(own * kept - 1e-9)
        return found

    def grow_counts(self, moment, kept, candidates):
        total, free = dropped(moment, kept), counts(candidates)
        room = {name: int(_ROOM * count) for name, count in free.items()}
        if total > sum(room.values()):
            room = free
        return shares(total, _mean_momenta(moment), room)

    def grow_scores(self, moment):
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
