"""Searches for a size: shrinks in steps, then bisects the last one.

A candidate is a dict, in which `left` is the share that it was pruned to,
`within` whether its metric is within `max_drop`, and `met` whether it is small
enough.
"""

import math

BISECTIONS = 3  # Of the last step, by the geometric mean.
_LEAST = 0.01  # The smallest share to try without a target.


def levels(start, step, end=None):
    """Yields falling shares to leave, at a constant ratio.

    Args:
        start: Number, the share to start below.
        step: Number in (0, 1), by which each falls below the one before, at
            most.
        end: Number, the last share; or `None`, for shares of 1 % and more.
    """
    if end is None:
        left = start * (1 - step)
        while left >= _LEAST:
            yield left
            left *= 1 - step
        return
    count = max(1, math.ceil(math.log(end / start, 1 - step) - 1e-9))
    for i in range(1, count):
        yield start * (end / start) ** (i / count)
    yield end


def search(attempt, shares, base, exact):
    """Tries shares until one is met or costs too much, and bisects that step.

    Args:
        attempt: Function of (parent candidate, share to leave) that returns a
            candidate, or `None` if no more can be removed.
        shares: Iterable of falling shares, from `levels`.
        base: The candidate of the original model.
        exact: Whether the target is the share itself, so that a met target
            needs no bisection.
    """
    good = base
    for left in shares:
        found = attempt(good, left)
        if found is None:
            return
        if found["within"] and not found["met"]:
            good = found
            continue
        if not (found["within"] and exact):
            _bisect(attempt, good, found["left"])
        return


def _bisect(attempt, good, bad):
    """Bisects between a good and a bad share, for the last good one."""
    for _ in range(BISECTIONS):
        found = attempt(good, math.sqrt(good["left"] * bad))
        if found is None:
            return
        if found["within"] and not found["met"]:
            good = found
        else:
            bad = found["left"]


def choose(candidates, wanted, sign):
    """Returns the best candidate, and whether it meets the budget.

    With a target, it has the best metric of those that meet both. Without one,
    or if none does, it is the smallest one within the drop, by the measured
    share if time or bytes are asked for.

    Args:
        candidates: List of candidates, that of the original model first.
        wanted: Whether there is a target.
        sign: 1 if a higher metric is better, else -1.
    """
    within = [one for one in candidates if one["within"]]
    if wanted:
        enough = [one for one in within if one["met"]]
        if enough:
            return max(enough, key=lambda one: sign * one["metric"]), True
    best = min(within, key=_size)
    return best, not wanted and best is not candidates[0]


def _size(candidate):
    """Returns the share of the cost that is asked for: fewer multiply-adds may
    take longer."""
    share = candidate["share"]
    return candidate["left"] if share is None else share
