"""Times two functions in alternation in one process.

What else the machine does falls on both, so that their ratio means something
where their times do not.
"""

import dataclasses
import itertools
import math
import time

import numpy as np

_LEAST = 0.03  # Seconds: what is shorter is called several times in a row.


@dataclasses.dataclass(frozen=True)
class Timing:
    """What two functions took: medians of the seconds of one call, that of
    before / after over the turns, and the middle half of these ratios."""

    before: float
    after: float
    ratio: float
    spread: tuple


def seconds(function, clock=time.perf_counter):
    """Returns how long one call takes."""
    start = clock()
    function()
    return clock() - start


def alternate(one, other, repeats, turns=1, clock=time.perf_counter):
    """Times two functions that are warmed up by turns, the other before,
    between and after: `one` as often as `repeats`, `other` `turns` times each.

    Returns the times of `one`, and for each the median of the other's around
    it, by a clock that returns seconds.
    """

    def others():
        return [seconds(other, clock) for _ in range(turns)]

    times, around = [], [others()]
    for _ in range(repeats):
        times.append(seconds(one, clock))
        around.append(others())
    pairs = itertools.pairwise(around)
    return np.array(times), np.array([np.median(a + b) for a, b in pairs])


def middle(values):
    """Returns the median of values and the ends of their middle half."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return float(median), (float(low), float(high))


def compare_times(before, after, repeats, clock=time.perf_counter):
    """Returns the `Timing` of two functions without arguments, which are called
    once first, to warm up: `after` as often as `repeats`, `before` once more.
    """
    (first, calls_first), (second, calls_second) = (
        _long_enough(function, clock) for function in (before, after)
    )
    times, base = alternate(second, first, repeats, clock=clock)
    times, base = times / calls_second, base / calls_first
    ratio, spread = middle(base / times)
    return Timing(
        float(np.median(base)), float(np.median(times)), ratio, spread
    )


def _long_enough(function, clock):
    """Returns a function that lasts, and how many calls it is made of."""
    function()
    once = seconds(function, clock)
    calls = max(1, math.ceil(_LEAST / once)) if once > 0 else 1

    def several():
        for _ in range(calls):
            function()

    return several, calls
