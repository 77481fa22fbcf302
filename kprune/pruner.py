"""The four axes composed: a pruning method as a value."""

import dataclasses
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from kprune import (
    allocation,
    criteria,
    granularity,
    lookup,
    notices,
    schedules,
    seeds,
)
from kprune.masks import COUNTS, Budget, top_k
from kprune.probe import Probe
from kprune.progress import Progress


@dataclasses.dataclass(frozen=True)
class Pruner:
    """A pruning method: criterion x granularity x allocation x schedule.

    Args:
        criterion: What to score by: a name (`kprune.criteria.names()`) or a
            function of (objective, weights, masks).
        granularity: What is removed as one: `"weight"`, `"channel"`, `"2:4"`
            or an object such as `kprune.NM(2, 4)` or `kprune.Block((4, 1))`.
        allocation: How many each weight tensor keeps: `"global"`,
            `"uniform"`, `"erk"`, `"er"`, a dict of sparsities by name or
            pattern, or a function.
        schedule: How sparsity grows over the rounds (`kprune.schedules`).
        rounds: How often to score and prune.
        recover: Whether a weight pruned in one round may return in a later.
        fresh_batches: Whether each round reads the next batches of the data,
            as many as the probe says, instead of the same ones again. After
            the last batch comes the first.
        probe: The method's own way to look at data, a `kprune.Probe`, or
            `None`.
        count: How a number of groups is made whole: `"round"`, or the rule of
            a released code, `"floor_keep"`, `"ceil_keep"`, `"floor_remove"`.

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
    recover: bool = False
    fresh_batches: bool = False
    probe: Probe | None = None
    count: str = "round"

    def __post_init__(self):
        if not isinstance(self.rounds, int) or self.rounds < 1:
            raise ValueError(
                "Invalid value for argument `rounds`. Expected an integer "
                f">= 1. Received: rounds={self.rounds!r}"
            )
        lookup.choose(self.count, COUNTS, "rule for counts")
        criteria.get(self.criterion)
        granularity.get(self.granularity)
        allocation.get(self.allocation)
        schedules.get(self.schedule)

    def masks(self, objective, sparsity, min_kept=0, verbose=0):
        """Returns the masks that all rounds lead to. Changes nothing.

        Args:
            objective: A `kprune.objective.Objective`.
            sparsity: Share of the groups to remove, in [0, 1).
            min_kept: Groups that each weight keeps at least.
            verbose: 1 shows a progress bar over the rounds and batches.

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
            current = self.step(objective, current, budget, done)
            progress.round_done()
        return current

    def step(self, objective, current, budget, number):
        """Returns the masks that one round leads to. Changes nothing.

        Args:
            objective: A `kprune.objective.Objective`.
            current: Dict of the masks before, by name.
            budget: A `kprune.masks.Budget`, with how far pruning is.
            number: Integer >= 1, of the round: what is drawn at random, and
                which batches are read if they are fresh ones, follows from it.

        Returns:
            Dict from weight name to boolean array.
        """
        data = self._data_of(objective, number)
        result = self._round(data, current, budget, number)
        if budget.progress >= 1:
            grain = granularity.get(self.granularity)
            for name, mask in result.items():
                grain.check(mask, objective.layouts[name])
        return result

    def _data_of(self, objective, number):
        """Returns the objective on the batches of a round."""
        batches = objective.probe.batches
        if not self.fresh_batches or batches is None:
            return objective
        return objective.on(*range((number - 1) * batches, number * batches))

    def _round(self, objective, current, budget, number):
        """Returns the masks of one round, from those of the round before."""
        criterion = criteria.get(self.criterion)
        grain = granularity.get(self.granularity)
        allocate = allocation.get(self.allocation)
        layouts = objective.layouts
        scores = criterion(objective, objective.weights, current)
        groups, live, alive, places = {}, {}, {}, {}
        for name in current:
            rng = seeds.stream(objective.seed, "pool", name, number)
            scored = scores_of(scores, name, layouts[name].shape)
            alive[name] = current[name] | self.recover
            pooled = grain.pool(scored, alive[name], layouts[name], rng)
            live[name] = grain.live(alive[name], layouts[name])
            groups[name] = pooled.ravel()
            if not live[name].all():  # What is pruned costs nothing from here.
                places[name] = np.flatnonzero(live[name])
                groups[name] = groups[name][places[name]]
            refuse_nan(groups[name], name)
        counts = allocate(
            groups,
            {name: mask.size for name, mask in live.items()},
            {name: layouts[name].shape for name in groups},
            budget,
            seeds.stream(objective.seed, "allocation", number),
        )
        result, drawn = {}, 0
        last = budget.progress >= 1
        for name, group in groups.items():
            rng = seeds.stream(objective.seed, "ties", name, number)
            kept = top_k(group, counts[name], rng)
            if np.count_nonzero(kept) != counts[name]:
                raise RuntimeError(f"Kept a wrong number of {name!r}.")
            drawn += _drawn(group, kept) if last else 0
            chosen = kept
            if name in places:
                chosen = np.zeros(live[name].size, bool)
                chosen[places[name][kept]] = True
            chosen = chosen.reshape(live[name].shape)
            result[name] = grain.expand(chosen, layouts[name]) & alive[name]
        _tell_of_draws(drawn, sum(counts.values()))
        return result


def _drawn(scores, kept):
    """Returns how many of the kept scores others had an equal claim with."""
    if not kept.any() or kept.all():
        return 0
    lowest = scores[kept].min()
    equal = scores == lowest
    here = int(np.count_nonzero(equal & kept))
    return here if np.count_nonzero(equal) > here else 0


def _tell_of_draws(drawn, kept):
    if drawn > 0.01 * kept:
        notices.warn(
            f"{drawn} of the {kept} groups that are kept were drawn among "
            "others of the same score. Where a criterion scores most weights "
            "zero, nothing flows through the network any more: lower "
            "`sparsity`, raise `rounds`, or look for a layer that keeps "
            "almost nothing."
        )


def scores_by(criterion, objective):
    """Returns the scores of all weights at their current masks, as arrays.

    Raises:
        ValueError: If the scores do not fit the weights, or one is NaN.
    """
    scores = criterion(objective, objective.weights, objective.masks)
    found = {}
    for name, layout in objective.layouts.items():
        found[name] = scores_of(scores, name, layout.shape)
        refuse_nan(found[name], name)
    return found


def scores_of(scores, name, shape):
    """Returns the scores of a weight as an array, or says what is wrong."""
    if name not in scores:
        raise ValueError(
            f"The criterion gave no scores for {name!r}. Expected one array "
            f"per weight. Received: {sorted(scores)}"
        )
    array = np.asarray(scores[name])
    if array.shape != shape:
        raise ValueError(
            f"The scores of {name!r} have the wrong shape. Expected {shape}. "
            f"Received: {array.shape}"
        )
    return array


def refuse_nan(array, name):
    """Raises `ValueError` if a score is NaN."""
    if array.size and np.isnan(array.min()):  # `min` is NaN if any entry is.
        raise ValueError(
            f"The scores of {name!r} hold NaN, which cannot be ranked."
        )
