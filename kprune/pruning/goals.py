"""The goal of a call: a sparsity, a list of them, or a target."""

import dataclasses
from fractions import Fraction

from kprune.masking.masks import Budget
from kprune.pruning import schedules, scope
from kprune.pruning import target as targets
from kprune.pruning.pruner import Pruner
from kprune.runtime import checks
from kprune.runtime.progress import Progress
from kprune.runtime.words import shown


@dataclasses.dataclass(frozen=True)
class Goal:
    """The goal of one pruned model: a sparsity, or a `target.Target`."""

    sparsity: float | None = None
    target: targets.Target | None = None

    def __str__(self):
        if self.target is None:
            return f"sparsity {self.sparsity}"
        return f"target {self.target}"


def of_call(grain, sparsity, target, inplace):
    """Returns the goals of a call, one for each model that it returns.

    Args:
        grain: A `Granularity`.
        sparsity, target, inplace: As for `kprune.prune`.

    Raises:
        ValueError: If they contradict one another.
    """
    several = isinstance(sparsity, list | tuple)
    if several:
        _check_several(sparsity, target, inplace)
    if target is not None:
        return [Goal(target=_target(target, sparsity, grain))]
    asked = sparsity if several else [sparsity]
    return [Goal(scope.sparsity_of(grain, share)) for share in asked]


def _check_several(sparsities, target, inplace):
    """Raises `ValueError` unless a call can return several models."""
    expected = "a number, or a list of one number or more"
    checks.require(len(sparsities), "sparsity", sparsities, expected)
    if target is not None or inplace:
        given = "`target`" if target is not None else "`inplace=True`"
        raise ValueError(
            f"{given} goes with one sparsity at most: each of several gives a "
            f"copy. Received: sparsity={shown(sparsities)}"
        )


def _target(target, sparsity, grain):
    """Returns the `Target`; raises if a sparsity is given too."""
    if sparsity is not None or grain.sparsity is not None:
        given = sparsity if sparsity is not None else grain
        raise ValueError(
            "`target` takes the place of a sparsity. Received: "
            f"target={shown(target)} and {shown(given)}"
        )
    return targets.get(target)


def masks(pruner, objective, goals, min_kept=None, verbose=0):
    """Returns a list of a method's masks, one for each goal.

    A `Pruner` of one round scores the weights once for all goals. A subclass
    may prune differently, so it gets each goal by itself.
    """
    one_round = type(pruner) is Pruner and pruner.rounds == 1
    if len(goals) > 1 and one_round and not pruner.sequential:
        shares = [goal.sparsity for goal in goals]
        return _scored_once(pruner, objective, shares, min_kept, verbose)
    return [_alone(pruner, objective, g, min_kept, verbose) for g in goals]


def _alone(pruner, objective, goal, min_kept, verbose):
    """Returns the masks of one goal.

    Passes `target=` only if there is one: not every user class accepts it.
    """
    target = {} if goal.target is None else {"target": goal.target}
    return pruner.masks(objective, goal.sparsity, min_kept, verbose, **target)


def _scored_once(pruner, objective, sparsities, min_kept, verbose):
    schedule, progress = schedules.get(pruner.schedule), Progress(1, verbose)
    ranking = pruner.ranking(objective.watched(progress), objective.masks, 1)
    progress.round_done()
    found = []
    for sparsity in sparsities:
        share = Fraction(1)
        budget = Budget(sparsity, schedule, share, min_kept, pruner.count)
        found.append(ranking.masks(budget))
        ranking.grouping.check(found[-1])
    return found
