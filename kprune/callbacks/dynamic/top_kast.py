"""Top-KAST: top-k always sparse training (Jayakumar et al., 2020).

https://arxiv.org/abs/2106.03517
"""

import numpy as np

from kprune.callbacks.dynamic.training_state import MaskUpdate, TrainingState
from kprune.callbacks.dynamic.updater import MaskUpdater, best
from kprune.runtime import checks
from kprune.runtime.methods import Method


class TopKAST(MaskUpdater):
    """Computes with the largest weights, and trains some more.

        A: in each layer the largest |w|, as many as the initial masks keep
        B: A and the largest of the others, a share `extra` of the layer
        w <- w - lr (dL/dw + penalty c w) in B,  c = 1 in A, 1 / D outside A

    with the gradient at w in A, zero elsewhere, and D the share of A. Other
    weights stay as they are. After each step A and B are those of the new
    weights. The penalty is exploration regularization: it keeps weights from
    staying in A for being there. It is subtracted after the optimizer's step,
    from the weights before it, and so acts on plain gradient descent as on
    the loss. Weights outside B have no momentum.

    Weights outside A begin at 0, unless the model keeps their values: the
    paper's start, the largest of dense weights, is

        model = kprune.wrap(dense, keep_pruned_values=True)
        kprune.set_masks(model, masks)  # Of the largest weights.

    After `end` the masks stay, without exploration and without the penalty.
    Weights outside A are zeroed when training ends.

    Each step reads and writes all weights on the host, as DeepR's does. The
    gradient is computed for all weights, and used for those in B.

    Args:
        extra: Number in [0, 1], the share of each layer's weights that train
            besides those in A; the paper's M. Defaults to 0.1, kprune's
            choice.
        penalty: Number >= 0, the strength of the penalty. Defaults to 1e-4,
            kprune's choice.
    """

    every = "1it"
    end = "100%"
    acts_after_steps = True
    keep_pruned_values = True
    remembers = ("before", "trained", "step")

    def __init__(self, extra: float = 0.1, penalty: float = 1e-4) -> None:
        super().__init__(drop_fraction=0.0, anneal="constant")
        checks.number("extra", extra, "[0, 1]")
        checks.number("penalty", penalty, "[0, inf)")
        self.extra = extra
        self.penalty = penalty
        self._before: dict[str, np.ndarray] = {}
        self._trained: dict[str, np.ndarray] = {}
        self._step = 0

    def start(self, moment: TrainingState) -> None:
        """Takes A from the masks, and B around it."""
        self._remember(moment, moment.weights, moment.masks)

    def update(self, moment: TrainingState) -> MaskUpdate:
        weights, masks = {}, {}
        for name, active in moment.masks.items():
            weights[name] = w = self._stepped(moment, name)
            count, whole = moment.kept[name], np.ones_like(active)
            masks[name] = best("keep", np.abs(w), whole, count, moment, name)
        self._remember(moment, weights, masks)
        still = {name: ~trained for name, trained in self._trained.items()}
        return MaskUpdate(masks, still, weights)

    def _stepped(self, moment, name):
        """Returns a weight after the step, which only moves what is in B."""
        before, active = self._before[name], moment.masks[name]
        if moment.step != self._step + 1:  # `begin` came after the start.
            return moment.weights[name]
        share = moment.kept[name] / active.size
        rate = moment.learning_rate * self.penalty
        scale = np.where(active, rate, rate / share if share else 0)
        w = moment.weights[name] - scale.astype(before.dtype) * before
        return np.where(self._trained[name], w, before)

    def _remember(self, moment, weights, masks):
        self._before, self._step = dict(weights), moment.step
        self._trained = {}
        for name, active in masks.items():
            size = np.abs(weights[name])
            more = min(round(self.extra * active.size), int((~active).sum()))
            added = best("explore", size, ~active, more, moment, name)
            self._trained[name] = active | added


METHOD = Method(
    "top_kast",
    title="Top-KAST",
    call='kprune.callbacks.DynamicSparseTraining("top_kast")',
    paper="Jayakumar et al., 2020",
    link="https://arxiv.org/abs/2106.03517",
    test="tests/callbacks/test_top_kast.py::test_a_step_by_hand",
    deviation="what the initial masks prune begins at 0, unless the model "
    "keeps its values; the penalty is half of the square, not the size, apart "
    "from the optimizer's step; gradients are computed for all weights",
    build=TopKAST,
)
