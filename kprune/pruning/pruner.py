"""`Pruner`: a pruning method as a value on four axes.

A new method is a `Pruner` of other choices, in `recipes/`, or a new criterion:
a file of its name in `criteria/`, such as `snip.py`, of a function and the
method's entry, `METHOD`. Either is then found by its name.
"""

import dataclasses
from collections.abc import Callable
from fractions import Fraction

from kprune.masking.masks import Budget
from kprune.pruning import (
    allocation,
    block_by_block,
    criteria,
    fields,
    granularity,
    schedules,
)
from kprune.pruning.ranking import as_arrays, rank
from kprune.runtime import checks, lookup
from kprune.runtime.doors import checked
from kprune.runtime.progress import Progress
from kprune.runtime.renamed import renamed
from kprune.scoring import config
from kprune.scoring.config import ScoringConfig


@renamed(probe=config.WAYS["probe"], survivors="`after_pruning=`")
@dataclasses.dataclass(frozen=True)
class Pruner:
    """A pruning method: criterion x granularity x allocation x schedule.

    Args:
        criterion: What to score by: a name (`kprune.criteria.names()`) or a
            function of (objective, weights, masks).
        granularity: What is removed as one: `"weight"`, `"kernel"`, `"2:4"`,
            an object such as `kprune.Block((4, 1))`, or `"channel"`, a
            `kprune.Channel` as it suits the criterion: of magnitudes the
            norm, of signed scores a gate.
        allocation: How many each weight tensor keeps: `"global"`,
            `"normalized"`, `"lamp"`, `"owl"`, `"uniform"`, `"per_output"`,
            `"erk"`, `"er"`, `"balanced"`, `"pyramidal"`, a dict of
            sparsities by name or pattern, or a function. Defaults to what
            suits granularity and criterion: `"global"`, or for channels by
            magnitude `"lamp"`.
        schedule: How sparsity grows over the rounds (`kprune.schedules`).
        rounds: How often to score and prune.
        recover: Whether a weight pruned in one round may return in a later.
            Under `GradualPruning` it keeps its value meanwhile; with
            `"zeros"` it returns as zero.
        fresh_batches: Whether each round reads the next batches of the data,
            as many as `scoring` says, and after the last the first again.
        scoring: The method's own way to look at data, a
            `kprune.ScoringConfig`, a dict of its fields, or `None`.
        count: How a number of groups is made whole: `"round"`, or the rule of
            a released code, `"floor_keep"`, `"ceil_keep"`, `"floor_remove"`.
        after_pruning: What becomes of the weights that stay: `None`, or a
            function of (model, seed) that changes a wrapped model in place,
            such as `kprune.kept_weights.rescale_variance`. One that takes
            `objective=` is given what was pruned by.
        exclude: Names of weights or layers, or regular expressions, to leave
            dense and out of the count.
        sequential: For criteria by what weights read: whether each block of
            the network, such as those of a transformer, is scored behind the
            blocks before it as they are pruned. Where no blocks are found all
            weights are scored at once, with a warning.

    Example:

    >>> pruner = kprune.Pruner("snip", schedule="exponential", rounds=20)
    >>> model = kprune.prune(model, pruner, 0.95, data=train, verbose=0)
    """

    criterion: str | Callable
    granularity: str | object = "weight"
    allocation: str | dict | Callable | None = None
    schedule: str | Callable = "one_shot"
    rounds: int = 1
    recover: bool | str = False
    fresh_batches: bool = False
    scoring: ScoringConfig | None = None
    count: str = "round"
    after_pruning: Callable | None = None
    exclude: str | tuple = ()
    sequential: bool = False

    def __post_init__(self):
        for name, value in fields.checked(self).items():
            object.__setattr__(self, name, value)

    def with_axes(self, **axes):
        """Returns this pruner with some of its fields replaced."""
        known = [field.name for field in dataclasses.fields(self)]
        lookup.check_options(axes, known, "a Pruner")
        return dataclasses.replace(self, **axes)

    @property
    def grain(self):
        """The granularity, as an object."""
        return self._pair()[1]

    @property
    def allocation_used(self):
        """The allocation, or the one that suits the granularity."""
        if self.allocation is not None:
            return self.allocation
        return self.grain.allocation(criteria.entry(self.criterion))

    @property
    def measures_inputs(self):
        """Whether the criterion is of what weights read."""
        entry = criteria.entry(self.criterion)
        return entry is not None and entry.measures_inputs

    def _pair(self):
        """Returns the criterion, and the granularity that suits it."""
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
    def masks(self, objective, sparsity, min_kept=None, verbose=0, target=None):
        """Returns all rounds' masks, booleans by weight. Changes nothing.

        Args:
            objective: A `kprune.scoring.objective.Objective`.
            sparsity, min_kept: As for `kprune.prune`.
            verbose: 1 shows a progress bar over the rounds and batches.
            target: `None`, or a `target.Target` in place of the sparsity.
        """
        schedule = schedules.get(self.schedule)
        progress = Progress(self.rounds, verbose)
        objective = objective.watched(progress)
        current = objective.masks
        for done in range(1, self.rounds + 1):
            share = Fraction(done, self.rounds)
            budget = Budget(sparsity, schedule, share, min_kept, self.count)
            current = self.step(objective, current, budget, done, target)
            progress.round_done()
        return current

    def ranking(self, objective, current, number):
        """Returns the scored groups of a round, a `ranking.Ranking`."""
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

    def step(self, objective, current, budget, number, target=None):
        """Returns the masks that one round leads to. Changes nothing.

        Args:
            objective, target: As for `masks`.
            current: Dict of the masks before, by name.
            budget: A `kprune.masks.Budget`, with how far pruning is.
            number: Integer >= 1, of the round: what is drawn at random, and
                which batches are read if they are fresh ones, follows from it.
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
