"""Shares out counts and rounds them to an exact sum."""

import dataclasses
import functools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from kprune.masking.masks import Budget
from kprune.runtime import checks
from kprune.runtime.doors import checked

_KINDS = {
    "groups": checks.dict_of(
        checks.of_class(np.ndarray, "an array of scores"), "arrays of scores"
    ),
    "sizes": checks.dict_of(checks.integer, "numbers of groups"),
    "shapes": checks.dict_of(
        checks.sequence_of(checks.at_least(1), "integers"), "shapes"
    ),
    "budget": checks.of_class(Budget, "a kprune.masks.Budget"),
    "rng": checks.of_class(np.random.Generator, "a numpy.random.Generator"),
}


def checked_allocation(
    allocate: Callable[..., dict[str, int]],
) -> Callable[..., dict[str, int]]:
    """Decorates an allocation so that it validates its arguments.

    A budget without a minimum gets the minimum 0.
    """

    @functools.wraps(allocate)
    @checked(**_KINDS)
    def door(groups, sizes, shapes, budget, rng):
        if not set(groups) == set(sizes) == set(shapes):
            raise ValueError(
                "Expected `groups`, `sizes` and `shapes` of the same weights. "
                f"Received: {[*groups]}, {[*sizes]} and {[*shapes]}"
            )
        if budget.minimum is None:
            budget = dataclasses.replace(budget, minimum=0)
        return allocate(groups, sizes, shapes, budget, rng)

    return door


def kept_in_all(
    groups: dict[str, np.ndarray], sizes: dict[str, int], budget: Any
) -> int:
    """Returns how many groups stay in all; raises if `min_kept` exceeds it."""
    total = min(
        budget.keep(sum(sizes.values())),
        sum(scores.size for scores in groups.values()),
    )
    asked = sum(min(budget.minimum, s.size) for s in groups.values())
    if asked > total:
        raise ValueError(
            f"`min_kept={budget.minimum}` asks for {asked} groups in all, but "
            f"only {total} are to be kept. Lower `min_kept` or `sparsity`."
        )
    return total


def in_proportion(
    densities: dict[str, Any],
    groups: dict[str, np.ndarray],
    sizes: dict[str, int],
    budget: Budget,
) -> dict[str, int]:
    """Returns counts in proportion to densities, capped at a weight's groups.

    Args:
        densities: Dict of relative densities by name.
        groups, sizes, budget: As for an allocation.
    """
    most = {name: scores.size for name, scores in groups.items()}
    total = kept_in_all(groups, sizes, budget)
    return to_counts(
        shared(total, densities, sizes, most), groups, sizes, budget
    )


def shared(total, densities, sizes, most):
    """Divides a number among the names of `most`, as Fractions.

    Shares are in proportion to density x size, up to `most`. The excess of a
    capped weight goes to the others.
    """
    raw = {name: densities[name] * sizes[name] for name in most}
    dense = set()
    while True:
        free = [name for name in most if name not in dense]
        left = total - sum(most[name] for name in dense)
        weight = sum(raw[name] for name in free)
        scale = Fraction(left) / weight if weight else Fraction(0)
        over = [name for name in free if scale * raw[name] > most[name]]
        if not over:
            break
        dense.update(over)
    return {
        name: Fraction(most[name]) if name in dense else scale * raw[name]
        for name in most
    }


def to_counts(
    targets: dict[str, Any],
    groups: dict[str, np.ndarray],
    sizes: dict[str, int],
    budget: Any,
) -> dict[str, int]:
    """Rounds real counts to integers whose sum is the budget's.

    Each is first rounded by itself. Then weights with the largest rounding
    errors get one more or one fewer until the sum is exact.
    """
    most = {name: scores.size for name, scores in groups.items()}
    least = {name: min(budget.minimum, n) for name, n in most.items()}
    total = kept_in_all(groups, sizes, budget)
    counts = {
        name: min(max(round(target), least[name]), most[name])
        for name, target in targets.items()
    }
    while sum(counts.values()) != total:
        step = 1 if sum(counts.values()) < total else -1
        movable = [
            name
            for name, k in counts.items()
            if (k < most[name] if step > 0 else k > least[name])
        ]
        name = max(movable, key=lambda n: step * (targets[n] - counts[n]))
        counts[name] += step
    return counts


def shares(
    total: int, weights: dict[str, Any], room: dict[str, int]
) -> dict[str, int]:
    """Divides a number among names in proportion to their weights.

    Fractions are rounded by largest remainders, with ties to the earlier name.
    The excess over a name's room is divided among the others, in proportion
    again.

    Args:
        total: Integer >= 0, up to the sum of `room`.
        weights: Dict of finite numbers >= 0 by name. If all names with room
            left have weight 0, their room is the weight.
        room: Dict of the largest share by name, integers.

    Example:

    >>> from kprune.pruning.allocation.counts import shares
    >>> shares(10, {"a": 2, "b": 1, "c": 1}, {"a": 3, "b": 9, "c": 9})
    {'a': 3, 'b': 4, 'c': 3}
    """
    given = dict.fromkeys(weights, 0)
    if total > sum(room.values()):
        raise ValueError(
            f"Expected room for {total} in all. Received: room={room}"
        )
    while left := total - sum(given.values()):
        free = {n: room[n] - given[n] for n in given if given[n] < room[n]}
        mass = {name: Fraction(weights[name]) for name in free}
        if not any(mass.values()):
            mass = {name: Fraction(size) for name, size in free.items()}
        for name, part in _largest_remainders(left, mass).items():
            given[name] += min(part, free[name])
    return given


def _largest_remainders(total, mass):
    whole = sum(mass.values())
    exact = {name: total * m / whole for name, m in mass.items()}
    parts = {name: math.floor(share) for name, share in exact.items()}
    behind = sorted(parts, key=lambda name: parts[name] - exact[name])
    for name in behind[: total - sum(parts.values())]:
        parts[name] += 1
    return parts
