"""SRigL: RigL with a constant fan-in (Lasby et al., 2023).

https://arxiv.org/abs/2305.02299
"""

import numpy as np

from kprune.callbacks.dynamic.training_state import MaskUpdate, TrainingState
from kprune.callbacks.dynamic.updater import MaskUpdater, best, floor
from kprune.pruning.granularity.base import as_matrix, put_back
from kprune.runtime import checks
from kprune.runtime.methods import Method


class SRigL(MaskUpdater):
    """RigL with a constant fan-in: a layer's neurons have equally many inputs
    or none.

    In a layer that keeps n weights and drops k = f(t) n of them:

        salient: the n - k active of largest |w|, and the k of largest |dL/dW|
        ablated: neurons with fewer salient weights than min_salient of
                 n / neurons lose all their weights
        fan-in:  n / remaining neurons, rounded down
        kept:    of each neuron the active among the n - k, up to the fan-in
        grown:   of each neuron the largest |dL/dW| among the others, up to it

    Enough neurons remain to hold n weights. The last weight of the model has
    no neuron ablated; dense layers stay dense. f decreases on a cosine as
    RigL's. n is that of the initial masks, which may be any: the first update
    makes the fan-in constant.

    Args:
        drop_fraction: Initial share to drop, in [0, 1]. Defaults to 0.3.
        min_salient: Number in [0, 1], a share of the fan-in before ablation;
            0 ablates no neuron. Defaults to 0.3, the authors' choice; they use
            0.95 for vision transformers.
        skip_step: As for `RigL`. Defaults to `False`, as in the released code.
    """

    needs = "gradients"
    remembers = ("budgets",)

    def __init__(
        self,
        drop_fraction: float = 0.3,
        min_salient: float = 0.3,
        skip_step: bool = False,
    ) -> None:
        super().__init__(drop_fraction)
        checks.number("min_salient", min_salient, "[0, 1]")
        self.min_salient = min_salient
        self.skip_step = checks.boolean("skip_step", skip_step)
        self._budgets: dict[str, int] = {}

    def start(self, moment: TrainingState) -> None:
        """Sets each layer's budget: the number of its active weights."""
        self._budgets = dict(moment.kept)
        for name, n in self._budgets.items():
            outputs = as_matrix(moment.masks[name], moment.layouts[name])
            if n < outputs.shape[1]:
                raise ValueError(
                    f"Expected one weight at least for each of the "
                    f"{outputs.shape[1]} neurons of {name!r}, in the mean. "
                    f"Received a model that keeps {n}: lower the sparsity."
                )

    def update(self, moment: TrainingState) -> MaskUpdate:
        masks, last = {}, list(moment.masks)[-1]
        for name, mask in moment.masks.items():
            layout, whole = moment.layouts[name], mask.all()
            made = None if whole else self._layer(moment, name, name != last)
            masks[name] = mask if whole else put_back(made, layout)
        return MaskUpdate(masks)

    def _layer(self, moment, name, may_ablate):
        """Returns the new mask of a weight, of shape (inputs, outputs)."""
        mask, w, gradient = (
            as_matrix(values[name], moment.layouts[name])
            for values in (moment.masks, moment.weights, moment.gradients)
        )
        budget, size, slope = self._budgets[name], np.abs(w), np.abs(gradient)
        active = int(np.count_nonzero(mask))
        dropped = floor(self.fraction(moment) * active)
        kept = best("drop", size, mask, active - dropped, moment, name)
        grown = best("grow", slope, mask | True, dropped, moment, name)
        alive = np.ones(mask.shape[1], bool)
        if may_ablate:
            alive = self._alive((kept | grown).sum(0), budget, len(mask))
        fan_in = budget // int(np.count_nonzero(alive))
        rng = moment.rng("neurons", name)
        kept = _most(size, kept & alive, fan_in, rng)
        room = np.where(alive, fan_in - kept.sum(0), 0)
        return kept | _most(slope, ~kept & alive, room, rng)

    def _alive(self, salient, budget, inputs):
        """Returns which neurons stay, by their numbers of salient weights."""
        least = max(1, int(self.min_salient * (budget // len(salient))))
        if self.min_salient == 0:
            return np.ones(len(salient), bool)
        # The fewest neurons that can hold the budget with all inputs used.
        enough = -(-budget // inputs)
        least = min(least, int(np.sort(salient)[::-1][enough - 1]))
        return salient >= least


def _most(scores, among, counts, rng):
    """Marks the highest scores of each column among the marked entries.

    `counts` is one number, or one per column; ties are broken at random.
    """
    order = np.lexsort((rng.random(scores.shape), -scores, ~among), axis=0)
    rank = np.empty_like(order)
    places = np.arange(len(order))[:, np.newaxis]
    np.put_along_axis(rank, order, np.broadcast_to(places, rank.shape), axis=0)
    return among & (rank < counts)


METHOD = Method(
    "srigl",
    title="SRigL",
    call='kprune.callbacks.DynamicSparseTraining("srigl")',
    paper="Lasby et al., 2023",
    link="https://arxiv.org/abs/2305.02299",
    test="tests/callbacks/test_structured_updaters.py::test_srigl_by_hand",
    deviation="of a neuron with more than its fan-in the largest stay, where "
    "the released code takes any",
    build=SRigL,
)
