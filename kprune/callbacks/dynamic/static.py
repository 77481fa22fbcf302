"""Static sparse training: the baseline of all that is dynamic."""

from kprune.callbacks.dynamic.updater import MaskUpdater


class Static(MaskUpdater):
    """Leaves the masks as they are.

    In RigL's paper: random masks with an ERK allocation, from
    `kprune.prune(model, "random", sparsity, allocation="erk")`.
    """

    acts = False

    def __init__(self):
        super().__init__(drop_fraction=0.0)
