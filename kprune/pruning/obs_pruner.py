"""SparseGPT's pruner: finds masks as it updates the weights."""

import dataclasses
import functools

import numpy as np

from kprune.masking.masks import Budget, apply
from kprune.pruning import block_by_block, kept_weights, matrices, obs_columns
from kprune.pruning.granularity import NM
from kprune.pruning.granularity.base import Weight, put_back
from kprune.pruning.pruner import Pruner
from kprune.pruning.target import Target
from kprune.runtime import checks, seeds, types
from kprune.scoring.objective import Objective


@dataclasses.dataclass(frozen=True)
class SparseGPT(Pruner):
    """A `kprune.Pruner` that selects weights while it updates the others.

    The allocation sets how many weights each tensor keeps, from the
    criterion's scores. Which ones, is chosen for `block` inputs at a time (one
    run at a time for N:M), by their cost after the kept weights have made up
    for those removed before. At last `kept_weights.reconstruct` updates all
    kept weights.

    Args:
        block: Integer >= 1, how many inputs to choose masks for at a time.
        damping: Number >= 0, the share of the mean diagonal of X'X to add to
            it. Defaults to 0.01.
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

    def step(
        self,
        objective: Objective,
        current: types.Masks,
        budget: Budget,
        number: int,
        target: Target | None = None,
    ) -> dict[str, np.ndarray]:
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
        """Returns the mask of a weight, and the weight updated for it."""
        matrix, alive = (matrices.of(one, layout) for one in (weight, alive))
        mask = self._mask(matrix, alive, gram, upper, count, rng)
        moved = matrix
        if self.sequential:  # Otherwise nothing reads the updated weight.
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
        # Inputs that read only zeros are pruned first.
        matrix = np.where(live, matrix, 0)
        return obs_columns.swept(matrix, upper, decide, width)[1]
