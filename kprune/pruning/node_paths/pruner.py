"""Node-path balance's pruner: masks instead of scores."""

import dataclasses
import functools

import numpy as np

from kprune.masking import weights
from kprune.masking.masks import Budget
from kprune.pruning import block_by_block
from kprune.pruning.allocation.within_outputs import WithinOutputs
from kprune.pruning.granularity.base import Weight
from kprune.pruning.node_paths import layers, program
from kprune.pruning.pruner import Pruner
from kprune.pruning.target import Target
from kprune.runtime import checks, seeds, types
from kprune.scoring.objective import Objective


@dataclasses.dataclass(frozen=True)
class NodePathBalance(Pruner):
    """A `kprune.Pruner` that chooses masks by their nodes and paths.

    The allocation sets how many weights each tensor keeps. Which ones, is
    solved for layer by layer from the input (`program`). Each round chooses
    among all weights, so pruned ones may return.

    Args:
        alpha: Number in [0, 1], the factor of nodes; that of paths is
            1 - alpha.
        beta: Number >= 0, the factor of kernels without entries.
    """

    alpha: float = 0.01
    beta: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        checks.number("alpha", self.alpha, "[0, 1]")
        checks.number("beta", self.beta, "[0, inf)")
        weight = isinstance(self.grain, Weight)
        expected = '"weight": node-path balance chooses single weights'
        checks.require(weight, "granularity", self.granularity, expected)
        expected = "True or 'zeros': each round chooses among all weights"
        checks.require(self.recover, "recover", self.recover, expected)

    def step(
        self,
        objective: Objective,
        current: types.Masks,
        budget: Budget,
        number: int,
        target: Target | None = None,
    ) -> dict[str, np.ndarray]:
        expected = "None: node-path balance prunes to a sparsity"
        checks.require(target is None, "target", target, expected)
        _, counts = block_by_block.counted(
            self, objective, current, budget, number
        )
        expected = "one that sets a number for each weight"
        per_weight = not isinstance(counts, WithinOutputs)
        checks.require(per_weight, "allocation", self.allocation, expected)
        choose = functools.partial(self._chosen, objective, counts, number)
        fixed = {
            w.name: np.asarray(w.mask)
            for w in weights.find(objective.model)
            if w.mask is not None
        }
        found = layers.masks(objective.model, [*current], choose, fixed)
        return {name: found[name] for name in current}

    def _chosen(self, objective, counts, number, name, paths):
        rng = seeds.stream(objective.seed, "node_paths", name, number)
        shape, count = objective.layouts[name].shape, counts[name]
        return program.kept(paths, shape, count, self.alpha, self.beta, rng)
