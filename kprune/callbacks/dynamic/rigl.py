"""RigL: Evci et al., 2020, Rigging the Lottery: Making All Tickets Winners.

https://arxiv.org/abs/1911.11134
"""

import numpy as np

from kprune.callbacks.dynamic.updater import MaskUpdater
from kprune.runtime import checks
from kprune.runtime.methods import Method


class RigL(MaskUpdater):
    """Grows the connections whose dense gradient is largest.

        dropped: the k active of lowest |w|,  k = f(t) n
        grown:   the k of highest |dL/dW| among those not kept
        f(t) = drop_fraction / 2 (1 + cos(pi t / T_end))

    The gradient is that of the loss, without regularization, on the batch
    that is next, in training mode. It is taken where the network stands, and
    dense. What was dropped may grow again at once, and then keeps its value;
    what is new begins at 0. The released code adds noise to the scores it
    drops by, for ties. Here ties are drawn, and nothing else is.

    Args:
        drop_fraction: Share of the active weights of each layer to drop at
            the begin. Defaults to 0.3.
        anneal: `"cosine"` (default, the paper's), or `"constant"`, which is
            the default of the released code, or another schedule by name.
        skip_step: Whether an update takes the place of the gradient step on
            its batch, as in the paper. Defaults to `True`.
    """

    needs = "gradients"

    def __init__(self, drop_fraction=0.3, anneal="cosine", skip_step=True):
        super().__init__(drop_fraction, anneal=anneal)
        self.skip_step = checks.boolean("skip_step", skip_step)

    def grow_scores(self, moment):
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
