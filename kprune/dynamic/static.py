"""Static sparse training: the baseline of all that is dynamic."""

from kprune.dynamic.updater import Updater


class Static(Updater):
    """Leaves the masks as they are.

    In RigL's paper: random masks with an ERK allocation, from
    `kprune.prune(model, "random", sparsity, allocation="erk")`.
    """

    acts = False

    def __init__(self):
        super().__init__(drop_fraction=0.0)
