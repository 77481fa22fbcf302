"""`Pruner`: a pruning method as a value on four axes.

A new method is either a `Pruner` with other choices, in `recipes/`, or a new
criterion: a file of its name in `criteria/`, such as `snip.py`, with a
function and the method's entry, `METHOD`. Both are then found by name.
"""

import dataclasses
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from kprune.masking.masks import Budget
from kprune.pruning import (
    allocation,
    block_by_block,
    criteria,
    fields,
    granularity,
    schedules,
)
from kprune.pruning.granularity.base import Granularity
from kprune.pruning.ranking import Ranking, as_arrays, rank
from kprune.pruning.target import Target
from kprune.runtime import checks, lookup, types
from kprune.runtime.doors import checked
from kprune.runtime.progress import Progress
from kprune.runtime.renamed import renamed
from kprune.scoring import config
from kprune.scoring.config import ScoringConfig
from kprune.scoring.objective import Objective


@renamed(probe=config.WAYS["probe"], survivors="`after_pruning=`")
@dataclasses.dataclass(frozen=True)
class Pruner:
    """A pruning method: criterion x granularity x allocation x schedule.

    Args:
        criterion: Scores the weights: a name (`kprune.criteria.names()`) or a
            function of (objective, weights, masks).
        granularity: The unit to prune: `"weight"`, `"kernel"`, `"2:4"`, an
            object such as `kprune.Block((4, 1))`, or `"channel"`, which is
            the `kprune.Channel` that suits the criterion: by norm for
            magnitudes, by a gate for signed scores.
        allocation: How many groups each weight tensor keeps: `"global"`,
            `"normalized"`, `"lamp"`, `"owl"`, `"uniform"`, `"per_output"`,
            `"erk"`, `"er"`, `"balanced"`, `"pyramidal"`, a dict of
            sparsities by name or pattern, or a function. Defaults to the one
            that suits granularity and criterion: `"global"`, or `"lamp"` for
            channels by magnitude.
        schedule: How sparsity grows over the rounds (`kprune.schedules`).
        rounds: Integer >= 1, how often to score and prune.
        recover: Whether a weight pruned in one round may return in a later
            one. Under `GradualPruning` it keeps its value meanwhile; with
            `"zeros"` it returns as zero.
        fresh_batches: Whether each round reads the next batches of the data,
            as many as `scoring` says, starting over after the last.
        scoring: How the method's scores read the data: a
            `kprune.ScoringConfig`, a dict of its fields, or `None`.
        count: How to round a number of groups: `"round"`, or the rule of a
            released code, `"floor_keep"`, `"ceil_keep"`, `"floor_remove"`.
        after_pruning: Updates the kept weights: `None`, or a function of
            (model, seed) that changes a wrapped model in place, such as
            `kprune.kept_weights.rescale_variance`. A function that takes
            `objective=` also gets the objective that pruning used.
        exclude: Names of weights or layers, or regular expressions, to leave
            dense and out of the count.
        sequential: For criteria that measure layer inputs: whether each block
            of the network, such as a transformer's, is scored behind the
            pruned blocks before it. If the network has no blocks, all weights
            are scored at once, with a warning.

    Example:

    >>> pruner = kprune.Pruner("snip", schedule="exponential", rounds=20)
    >>> model = kprune.prune(model, pruner, 0.95, data=train, verbose=0)
    """

    criterion: types.Criterion
    granularity: str | Granularity = "weight"
    allocation: str | dict[str, float] | Callable[..., Any] | None = None
    schedule: str | Callable[..., float] = "one_shot"
    rounds: int = 1
    recover: bool | str = False
    fresh_batches: bool = False
    scoring: ScoringConfig | dict[str, Any] | None = None
    count: str = "round"
    after_pruning: Callable[..., Any] | None = None
    exclude: str | Sequence[str] = ()
    sequential: bool = False

    def __post_init__(self):
        for name, value in fields.checked(self).items():
            object.__setattr__(self, name, value)

    def with_axes(self, **axes: Any) -> "Pruner":
        """Returns a copy of this pruner with some fields replaced."""
        known = [field.name for field in dataclasses.fields(self)]
        lookup.check_options(axes, known, "a Pruner")
        return dataclasses.replace(self, **axes)

    @property
    def grain(self) -> Granularity:
        """The granularity, as an object."""
        return self._pair()[1]

    @property
    def allocation_used(self) -> str | dict[str, float] | Callable[..., Any]:
        """The allocation, or if it is `None` the granularity's default."""
        if self.allocation is not None:
            return self.allocation
        return self.grain.allocation(criteria.entry(self.criterion))

    @property
    def measures_inputs(self) -> bool:
        """Whether the criterion measures the inputs of layers."""
        entry = criteria.entry(self.criterion)
        return entry is not None and entry.measures_inputs

    def _pair(self):
        """Returns the criterion and the granularity, as used together."""
        criterion, grain = criteria.get(self.criterion), self.granularity
        if grain != "channel":
            return criterion, granularity.get(grain)
        criterion, options = criteria.on_channels(criterion)
        return criterion, granularity.Channel(**options)

    @checked(
        sparsity=None,
        min_kept=checks.optional(checks.integer),
        objective=checks.with_attributes(
            "a kprune.Objective", "watched", "masks", "weights"
        ),
        target=None,
    )
    def masks(
        self,
        objective: Objective,
        sparsity: float | None,
        min_kept: int | None = None,
        verbose: int = 0,
        target: Target | None = None,
    ) -> dict[str, np.ndarray]:
        """Returns the masks after all rounds. Does not modify the model.

        Args:
            objective: A `kprune.Objective`.
            sparsity, min_kept: As for `kprune.prune`.
            verbose: 1 shows a progress bar over the rounds and batches.
            target: `None`, or a `target.Target` in place of the sparsity.

        Returns:
            Dict from weight name to a boolean array of the weight's shape.
        """
        schedule = schedules.get(self.schedule)
        progress = Progress(self.rounds, verbose)
        objective = objective.watched(progress)
        current = objective.masks
        for done in range(1, self.rounds + 1):
            share = Fraction(done, self.rounds)
            budget = Budget(sparsity, schedule, share, min_kept, self.count)  # type: ignore[arg-type]
            current = self.step(objective, current, budget, done, target)
            progress.round_done()
        return current

    def ranking(
        self, objective: Objective, current: types.Masks, number: int
    ) -> Ranking:
        """Scores the groups of a round and returns their `Ranking`.

        Args:
            objective, current, number: As for `step`.
        """
        criterion, grain = self._pair()
        data, size = objective, objective.scoring.batches
        if self.fresh_batches and size is not None:
            data = objective.on(*range((number - 1) * size, number * size))
        scores = criterion(data, objective.weights, current)
        return rank(
            grain.grouping(objective.model, objective.layouts),
            allocation.get(self.allocation_used),
            as_arrays(scores, objective.layouts),
            {n: m | True for n, m in current.items()}
            if self.recover
            else current,
            objective.seed,
            number,
        )

    def step(
        self,
        objective: Objective,
        current: types.Masks,
        budget: Budget,
        number: int,
        target: Target | None = None,
    ) -> dict[str, np.ndarray]:
        """Returns the masks after one round. Does not modify the model.

        Args:
            objective, target: As for `masks`.
            current: Dict of the masks before the round, by name.
            budget: A `kprune.masks.Budget`: the sparsity and the progress.
            number: Integer >= 1, the round's number. It determines the random
                draws, and which batches a round with fresh ones reads.
        """
        if self.sequential:
            expected = "None: what is pruned block by block has a sparsity"
            checks.require(target is None, "target", target, expected)
            found = self, objective, current, budget, number
            return block_by_block.masks(*found)
        ranking = self.ranking(objective, current, number)
        if target is None:
            result = ranking.masks(budget)
        else:
            result = target.solve(ranking, objective.model, budget)
        if budget.progress >= 1:
            ranking.grouping.check(result)
        return result
