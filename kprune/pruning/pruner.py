"""The four axes composed: a pruning method as a value."""

import dataclasses
from collections.abc import Callable
from fractions import Fraction

from kprune.masking.masks import COUNTS, Budget
from kprune.pruning import allocation, criteria, granularity, schedules
from kprune.pruning.ranking import rank, scores_of
from kprune.runtime import checks, lookup
from kprune.runtime.progress import Progress
from kprune.runtime.renamed import renamed
from kprune.scoring import config
from kprune.scoring.config import ScoringConfig

# What a call may say in place of a method, beside the method's own options.
AXES = (
    "granularity",
    "allocation",
    "schedule",
    "rounds",
    "recover",
    "exclude",
)


@renamed(probe=config.WAYS["probe"], survivors="`after_pruning=`")
@dataclasses.dataclass(frozen=True)
class Pruner:
    """A pruning method: criterion x granularity x allocation x schedule.

    Args:
        criterion: What to score by: a name (`kprune.criteria.names()`) or a
            function of (objective, weights, masks).
        granularity: What is removed as one: `"weight"`, `"channel"`, `"2:4"`
            or an object such as `kprune.NM(2, 4)` or `kprune.Block((4, 1))`.
            `"channel"` is a `kprune.Channel` as it suits the criterion: the
            norm of magnitudes, a gate for signed scores.
        allocation: How many each weight tensor keeps: `"global"`,
            `"uniform"`, `"erk"`, `"er"`, a dict of sparsities by name or
            pattern, or a function.
        schedule: How sparsity grows over the rounds (`kprune.schedules`).
        rounds: How often to score and prune.
        recover: Whether a weight pruned in one round may return in a later.
            Under `GradualPruning` it keeps its value meanwhile; with
            `"zeros"` it returns as zero.
        fresh_batches: Whether each round reads the next batches of the data,
            as many as the scoring config says, instead of the same ones again.
            After the last batch comes the first.
        scoring: The method's own way to look at data, a
            `kprune.ScoringConfig`, a dict of its fields, or `None`.
        count: How a number of groups is made whole: `"round"`, or the rule of
            a released code, `"floor_keep"`, `"ceil_keep"`, `"floor_remove"`.
        after_pruning: What becomes of the weights that stay: `None`, or a
            function of (model, seed) that changes a wrapped model in place,
            such as `kprune.kept_weights.rescale_variance`.
        exclude: Names of weights or layers, or regular expressions, to leave
            dense and out of the count.

    Example:

    >>> pruner = kprune.Pruner("snip", schedule="exponential", rounds=20)
    >>> model = kprune.prune(
    ...     model, pruner, 0.95, data=train.take(1), verbose=0
    ... )
    """

    criterion: str | Callable
    granularity: str | object = "weight"
    allocation: str | dict | Callable = "global"
    schedule: str | Callable = "one_shot"
    rounds: int = 1
    recover: bool | str = False
    fresh_batches: bool = False
    scoring: ScoringConfig | None = None
    count: str = "round"
    after_pruning: Callable | None = None
    exclude: str | tuple = ()

    def __post_init__(self):
        checks.integer("rounds", self.rounds, 1)
        checks.require(
            self.recover in (False, True, "zeros"),
            "recover",
            self.recover,
            "a boolean, or 'zeros'",
        )
        scoring = self.scoring and config.get(self.scoring)
        object.__setattr__(self, "scoring", scoring)
        exclude = checks.patterns("exclude", self.exclude)
        object.__setattr__(self, "exclude", exclude)
        lookup.choose(self.count, COUNTS, "rule for counts")
        criteria.get(self.criterion)
        granularity.get(self.granularity)
        allocation.get(self.allocation)
        schedules.get(self.schedule)

    def with_axes(self, **axes):
        """Returns this pruner with some of its fields replaced."""
        return dataclasses.replace(self, **axes)

    @property
    def grain(self):
        """The granularity, as an object."""
        if self.granularity != "channel":
            return granularity.get(self.granularity)
        _, options = criteria.on_channels(self.criterion)
        return granularity.Channel(**options)

    def masks(self, objective, sparsity, min_kept=0, verbose=0, target=None):
        """Returns the masks that all rounds lead to. Changes nothing.

        Args:
            objective: A `kprune.scoring.objective.Objective`.
            sparsity: Share of the groups to remove, in [0, 1).
            min_kept: Groups that each weight keeps at least.
            verbose: 1 shows a progress bar over the rounds and batches.
            target: A `kprune.pruning.target.Target` in place of `sparsity`, or
                `None`.

        Returns:
            Dict from weight name to boolean array.
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
        """Returns the `kprune.pruning.ranking.Ranking` of a round. Changes
        nothing.

        Args:
            objective, current, number: As for `step`.
        """
        layouts = objective.layouts
        criterion = criteria.get(self.criterion)
        if self.granularity == "channel":
            criterion, _ = criteria.on_channels(self.criterion)
        data = self._data_of(objective, number)
        scores = criterion(data, objective.weights, current)
        return rank(
            self.grain.grouping(objective.model, layouts),
            allocation.get(self.allocation),
            {
                name: scores_of(scores, name, layout.shape)
                for name, layout in layouts.items()
                if name in scores
            },
            {name: mask | bool(self.recover) for name, mask in current.items()},
            objective.seed,
            number,
        )

    def step(self, objective, current, budget, number, target=None):
        """Returns the masks that one round leads to. Changes nothing.

        Args:
            objective: A `kprune.scoring.objective.Objective`.
            current: Dict of the masks before, by name.
            budget: A `kprune.masks.Budget`, with how far pruning is.
            number: Integer >= 1, of the round: what is drawn at random, and
                which batches are read if they are fresh ones, follows from it.
            target: A `kprune.pruning.target.Target` in place of the budget's
                sparsity.

        Returns:
            Dict from weight name to boolean array.
        """
        ranking = self.ranking(objective, current, number)
        if target is None:
            result = ranking.masks(budget)
        else:
            result = target.solve(ranking, objective.model, budget)
        if budget.progress >= 1:
            ranking.grouping.check(result)
        return result

    def _data_of(self, objective, number):
        """Returns the objective on the batches of a round."""
        batches = objective.scoring.batches
        if not self.fresh_batches or batches is None:
            return objective
        return objective.on(*range((number - 1) * batches, number * batches))
