"""The four axes composed: a pruning method as a value."""

import dataclasses
from collections.abc import Callable
from fractions import Fraction

import keras
import numpy as np

from kprune import allocation, criteria, granularity, schedules, seeds
from kprune.masks import Budget, top_k


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

    def __post_init__(self):
        if not isinstance(self.rounds, int) or self.rounds < 1:
            raise ValueError(
                "Invalid value for argument `rounds`. Expected an integer "
                f">= 1. Received: rounds={self.rounds!r}"
            )
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
            verbose: 1 shows a progress bar over the rounds.

        Returns:
            Dict from weight name to boolean array.
        """
        schedule = schedules.get(self.schedule)
        bar = None
        if verbose and self.rounds > 1:
            bar = keras.utils.Progbar(self.rounds, unit_name="round")
        current = objective.masks
        for done in range(1, self.rounds + 1):
            progress = Fraction(done, self.rounds)
            budget = Budget(sparsity, schedule, progress, min_kept)
            current = self._round(objective, current, budget, done)
            if bar is not None:
                bar.update(done)
        grain = granularity.get(self.granularity)
        for name, mask in current.items():
            grain.check(mask, objective.layouts[name])
        return current

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
            # From here on, what is pruned already costs nothing.
            places[name] = np.flatnonzero(live[name])
            groups[name] = pooled.ravel()[places[name]]
            refuse_nan(groups[name], name)
        counts = allocate(
            groups,
            {name: mask.size for name, mask in live.items()},
            {name: layouts[name].shape for name in groups},
            budget,
            seeds.stream(objective.seed, "allocation", number),
        )
        result = {}
        for name, group in groups.items():
            rng = seeds.stream(objective.seed, "ties", name, number)
            kept = top_k(group, counts[name], rng)
            if np.count_nonzero(kept) != counts[name]:
                raise RuntimeError(f"Kept a wrong number of {name!r}.")
            chosen = np.zeros(live[name].shape, bool)
            chosen.ravel()[places[name][kept]] = True
            result[name] = grain.expand(chosen, layouts[name]) & alive[name]
        return result


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
