"""AC/DC: alternating compressed and decompressed training (Peste et al., 2021).

https://arxiv.org/abs/2106.12379
"""

import numpy as np

from kprune.callbacks.dynamic.sparser import SparsityRise, largest
from kprune.callbacks.dynamic.training_state import MaskUpdate, TrainingState
from kprune.callbacks.dynamic.updater import MaskUpdater
from kprune.runtime.methods import Method


class ACDC(MaskUpdater):
    """Alternates between sparse and dense training, and ends sparse.

        compressed:   the largest |w| of the whole model stay
        decompressed: all weights return, at 0

    Each update switches between the two. A dense model warms up until the
    first update, which makes it sparse; the last update leaves it sparse.

    Args:
        sparsity: Number in [0, 1), over all weights. Defaults to 0.9.
    """

    every = "5ep"
    end = "90%"
    needs_pruned = False

    def __init__(self, sparsity: float = 0.9) -> None:
        super().__init__(drop_fraction=0.0, anneal="constant")
        self.rise = SparsityRise(sparsity)

    def update(self, moment: TrainingState) -> MaskUpdate:
        dense = all(mask.all() for mask in moment.masks.values())
        if dense or moment.updates_left == 0:
            return MaskUpdate(largest(moment, self.rise.last(moment)))
        masks = {name: np.ones_like(m) for name, m in moment.masks.items()}
        return MaskUpdate(masks)


METHOD = Method(
    "acdc",
    title="AC/DC",
    call='kprune.callbacks.DynamicSparseTraining("acdc", sparsity=0.9)',
    paper="Peste et al., 2021",
    link="https://arxiv.org/abs/2106.12379",
    test="tests/callbacks/test_sparser_updaters.py::"
    "test_acdc_goes_from_sparse_to_dense_and_ends_sparse",
    deviation="phases are of one length, but for the last",
    build=ACDC,
)
