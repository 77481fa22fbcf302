"""Static sparse training: the baseline of dynamic training."""

from kprune.callbacks.dynamic.updater import MaskUpdater
from kprune.runtime.methods import Method


class Static(MaskUpdater):
    """Keeps the masks fixed; a baseline.

    RigL's paper has random masks with an ERK allocation, as from
    `kprune.prune(model, "random", sparsity, allocation="erk")`.
    """

    acts = False

    def __init__(self) -> None:
        super().__init__(drop_fraction=0.0)


METHOD = Method(
    "static",
    title="static masks",
    call='kprune.callbacks.DynamicSparseTraining("static")',
    paper="Evci et al., 2020",
    link="https://arxiv.org/abs/1911.11134",
    test="tests/callbacks/test_dynamic.py::"
    "test_what_must_hold_after_every_update",
    build=Static,
)
