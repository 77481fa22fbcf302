"""The pruner of SparseGPT: masks that are found as the weights change."""

import dataclasses

import numpy as np

from kprune.masking.masks import apply
from kprune.pruning import matrices, obs_columns
from kprune.pruning.granularity import NM
from kprune.pruning.granularity.base import Weight, put_back
from kprune.pruning.pruner import Pruner
from kprune.runtime import checks, seeds


@dataclasses.dataclass(frozen=True)
class SparseGPT(Pruner):
    """A `kprune.Pruner` that goes through the inputs of each weight.

    How many weights each tensor keeps is the allocation's to say, by the
    scores of the criterion. Which ones is decided for `block` inputs at a time
    (for N:M, a run at a time), by what they cost once those that are kept have
    made up for the ones removed before.

    Args:
        block: Integer >= 1, for how many inputs is decided at a time.
        damping: Number >= 0, the share of the mean diagonal of X'X to add.
    """

    block: int = obs_columns.BLOCK
    damping: float = 0.01

    def __post_init__(self):
        super().__post_init__()
        checks.integer("block", self.block, 1)
        checks.number("damping", self.damping, "[0, inf)")
        fits = isinstance(self.grain, (Weight, NM))
        expected = '"weight" or N:M, which SparseGPT removes'
        checks.require(fits, "granularity", self.granularity, expected)

    def step(self, objective, current, budget, number, target=None):
        expected = "None: SparseGPT prunes to a sparsity"
        checks.require(target is None, "target", target, expected)
        ranking = self.ranking(objective, current, number)
        counts = ranking.counts(ranking.with_minimum(budget))
        point, found = apply(current, objective.weights), {}
        for name, gram in matrices.grams(objective, point):
            layout = objective.layouts[name]
            matrix = matrices.of(point[name], layout)
            alive = matrices.of(ranking.alive[name], layout)
            rng = seeds.stream(objective.seed, "sparsegpt", name, number)
            mask = self._mask(name, matrix, alive, gram, counts[name], rng)
            found[name] = put_back(mask, layout)
        ranking.grouping.check(found)
        return found

    def _mask(self, name, matrix, alive, gram, count, rng):
        upper = obs_columns.factor(gram, self.damping, name)
        if isinstance(self.grain, NM):
            width = self.grain.m
            decide = obs_columns.by_runs(alive, self.grain.n, rng)
        else:
            width = self.block
            decide = obs_columns.by_count(alive, count, width, rng)
        live = obs_columns.reads(gram)[:, None]
        matrix = np.where(live, matrix, 0)  # What reads nothing goes first.
        return obs_columns.swept(matrix, upper, decide, width)[1]
