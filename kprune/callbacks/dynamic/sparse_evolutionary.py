"""SET, sparse evolutionary training (Mocanu et al., 2018).

https://arxiv.org/abs/1707.04780
"""

import numpy as np

from kprune.callbacks.dynamic.updater import MaskUpdater, best, floor
from kprune.runtime.methods import Method


class SET(MaskUpdater):
    """Drops the weights nearest to zero, and grows as many at random.

    The paper drops a share of the smallest positive weights and the same
    share of the negative ones nearest to zero, each by itself, and with them
    all that are exactly 0. What was dropped may be drawn again at once, and
    then keeps its value; what is new begins at 0. The optimizer goes on: the
    released code makes a new one in each epoch.

    Args:
        drop_fraction: Share of the active weights to drop. Defaults to 0.3.
        signed: Whether positive and negative weights are ranked apart, as in
            the paper. Defaults to `True`. `False` drops by |w|, as RigL's
            authors do when they compare with SET.
        anneal: `"constant"` (default), or a schedule by name on which the
            share goes to 0; RigL's authors take `"cosine"`.
    """

    every = "1ep"
    end = "100%"

    def __init__(self, drop_fraction=0.3, signed=True, anneal="constant"):
        super().__init__(drop_fraction, anneal=anneal)
        self.signed = bool(signed)

    def drop(self, moment):
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
