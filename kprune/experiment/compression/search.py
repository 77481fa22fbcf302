"""Searches sizes: ever smaller, then bisects the last step.

A candidate is a dict; of it, `left` is the share that it was pruned to,
`within` whether its metric is within `max_drop`, and `met` whether it is small
enough.
"""

import math

BISECTIONS = 3  # Of the last step, by the geometric mean.
_LEAST = 0.01  # Nothing is pruned further, whatever the budget.


def levels(start, step, end=None):
    """Yields the shares to leave: each `step` less than the one before, the
    last one `end`, and the steps of equal ratio; without `end`, on to 1 %."""
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
    """Tries shares until one is met or costs too much, and halves that step.

    Args:
        attempt: Function of (candidate to go on from, share to leave) that
            returns a candidate, or `None` where nothing more can go.
        shares: Iterable of falling shares, as `levels` gives.
        base: The candidate that nothing is pruned of.
        exact: Whether the share that is asked for is the one that counts, so
            that one which is met leaves nothing to halve.
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
    """Looks for the last share that is good between two of which one is."""
    for _ in range(BISECTIONS):
        found = attempt(good, math.sqrt(good["left"] * bad))
        if found is None:
            return
        if found["within"] and not found["met"]:
            good = found
        else:
            bad = found["left"]


def choose(candidates, wanted, sign):
    """Returns the best candidate, and whether it is what was asked for.

    Of those that are within the drop and small enough, it is that of the best
    metric; if there are none, the smallest one within the drop.

    Args:
        candidates: List of candidates, the one that nothing is pruned of first.
        wanted: Whether there is a target.
        sign: 1 where a higher metric is better, else -1.
    """
    within = [one for one in candidates if one["within"]]
    if wanted:
        enough = [one for one in within if one["met"]]
        if enough:
            return max(enough, key=lambda one: sign * one["metric"]), True
    best = min(within, key=lambda one: one["left"])
    return best, not wanted and best is not candidates[0]
