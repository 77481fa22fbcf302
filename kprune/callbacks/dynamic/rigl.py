"""RigL: Evci et al., 2020, Rigging the Lottery: Making All Tickets Winners.

https://arxiv.org/abs/1911.11134
"""

from collections.abc import Callable

import numpy as np

from kprune.callbacks.dynamic.training_state import TrainingState
from kprune.callbacks.dynamic.updater import MaskUpdater
from kprune.runtime import checks
from kprune.runtime.methods import Method


class RigL(MaskUpdater):
    """Grows the connections whose dense gradient is largest.

        dropped: the k active of lowest |w|,  k = f(t) n
        grown:   the k of highest |dL/dW| among those not kept
        f(t) = drop_fraction / 2 (1 + cos(pi t / T_end))

    The gradient is dense: that of the loss, without regularization, on the
    next batch, in training mode, at the current weights. Dropped weights may
    grow again in the same update and then keep their values; new ones start at
    0. The released code adds noise to the drop scores to break ties; here only
    ties are random.

    Args:
        drop_fraction: Initial share of the active weights of each layer to
            drop, in [0, 1]. Defaults to 0.3.
        anneal: `"cosine"` (default, the paper's), `"constant"` (the default
            of the released code), or another schedule.
        skip_step: Whether an update replaces the gradient step on its batch,
            as in the paper. Defaults to `True`.
    """

    needs = "gradients"

    def __init__(
        self,
        drop_fraction: float = 0.3,
        anneal: str | Callable[..., float] = "cosine",
        skip_step: bool = True,
    ) -> None:
        super().__init__(drop_fraction, anneal=anneal)
        self.skip_step = checks.boolean("skip_step", skip_step)

    def grow_scores(self, moment: TrainingState) -> dict[str, np.ndarray]:
        return {name: np.abs(g) for name, g in moment.gradients.items()}


METHOD = Method(
    "rigl",
    title="RigL",
    call='kprune.callbacks.DynamicSparseTraining("rigl")',
    paper="Evci et al., 2020",
    link="https://arxiv.org/abs/1911.11134",
    test="tests/callbacks/test_updaters.py::test_rigl_by_hand",
    build=RigL,
)
