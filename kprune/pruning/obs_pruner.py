"""SparseGPT's pruner: finds masks as it updates the weights."""

import dataclasses
import functools

import numpy as np

from kprune.masking.masks import apply
from kprune.pruning import block_by_block, kept_weights, matrices, obs_columns
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
    made up for the ones removed before. In the end all that stay do.

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
        repair = functools.partial(
            kept_weights.reconstruct,
            damping=self.damping,
            sequential=self.sequential,
        )
        object.__setattr__(self, "after_pruning", repair)

    def step(self, objective, current, budget, number, target=None):
        expected = "None: SparseGPT prunes to a sparsity"
        checks.require(target is None, "target", target, expected)
        whole, counts = block_by_block.counted(
            self, objective, current, budget, number
        )
        alive, found = whole.alive, {}
        point = apply(current, objective.weights)
        for part in objective.blocks(point, self.sequential):
            own = {name: point[name] for name in part.weights}
            moved = {}
            for name, gram in matrices.grams(part, own):
                rng = seeds.stream(objective.seed, "sparsegpt", name, number)
                found[name], moved[name] = self._pruned(
                    own[name],
                    alive[name],
                    gram,
                    obs_columns.factor(gram, self.damping, name),
                    counts[name],
                    part.layouts[name],
                    rng,
                )
            part.settle(moved)
        whole.grouping.check(found)
        return {name: found[name] for name in current}

    def _pruned(self, weight, alive, gram, upper, count, layout, rng):
        """Returns the mask of a weight, and what it becomes with it."""
        matrix, alive = (matrices.of(one, layout) for one in (weight, alive))
        mask = self._mask(matrix, alive, gram, upper, count, rng)
        moved = matrix
        if self.sequential:  # Others do not look at it.
            moved, _ = obs_columns.moved(matrix, mask, gram, upper)
        return put_back(mask, layout), put_back(moved, layout)

    def _mask(self, matrix, alive, gram, upper, count, rng):
        if isinstance(self.grain, NM):
            width = self.grain.m
            decide = obs_columns.by_runs(alive, self.grain.n, rng)
        else:
            width = self.block
            decide = obs_columns.by_count(alive, count, width, rng)
        live = obs_columns.reads(gram)[:, None]
        matrix = np.where(live, matrix, 0)  # What reads nothing goes first.
        return obs_columns.swept(matrix, upper, decide, width)[1]
