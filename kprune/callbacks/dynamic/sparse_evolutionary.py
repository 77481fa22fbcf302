"""SET, sparse evolutionary training (Mocanu et al., 2018).

https://arxiv.org/abs/1707.04780
"""

from collections.abc import Callable

import numpy as np

from kprune.callbacks.dynamic.training_state import TrainingState
from kprune.callbacks.dynamic.updater import MaskUpdater, best, floor
from kprune.runtime.methods import Method


class SET(MaskUpdater):
    """Drops the weights nearest to zero, and grows as many at random.

    The paper drops the same share of the smallest positive weights and of the
    negative weights nearest to zero, ranked separately, and all weights that
    are exactly 0. Dropped weights may grow again in the same update and then
    keep their values; new ones start at 0. The optimizer's state continues:
    the released code creates a new optimizer in each epoch.

    Args:
        drop_fraction: Share of the active weights to drop, in [0, 1]. Defaults
            to 0.3.
        signed: Whether positive and negative weights are ranked separately, as
            in the paper. Defaults to `True`. `False` drops by |w|, as RigL's
            authors do in their comparison with SET.
        anneal: `"constant"` (default), or a schedule on which the share
            decreases to 0; RigL's authors use `"cosine"`.
    """

    every = "1ep"
    end = "100%"

    def __init__(
        self,
        drop_fraction: float = 0.3,
        signed: bool = True,
        anneal: str | Callable[..., float] = "constant",
    ) -> None:
        super().__init__(drop_fraction, anneal=anneal)
        self.signed = bool(signed)

    def drop(self, moment: TrainingState) -> dict[str, np.ndarray]:
        if not self.signed:
            return super().drop(moment)
        share = self.fraction(moment)
        kept = {}
        for name, mask in moment.masks.items():
            w = moment.weights[name]
            kept[name] = np.zeros(mask.shape, bool)
            for sign in (1, -1):
                side = mask & (sign * w > 0)
                count = int(np.count_nonzero(side))
                count -= floor(share * count)
                stay = best("drop", sign * w, side, count, moment, name)
                kept[name] |= stay
        return kept


METHOD = Method(
    "set",
    title="SET",
    call='kprune.callbacks.DynamicSparseTraining("set")',
    paper="Mocanu et al., 2018",
    link="https://arxiv.org/abs/1707.04780",
    test="tests/callbacks/test_updaters.py::"
    "test_set_drops_on_either_side_of_zero",
    build=SET,
)
