"""Times two functions in alternation in one process.

Other load on the machine slows both alike, so that their ratio is meaningful
where their times are not.
"""

import dataclasses
import itertools
import math
import time

import numpy as np

_LEAST = 0.03  # Seconds. Shorter functions are called several times in a row.


@dataclasses.dataclass(frozen=True)
class Timing:
    """The times of two functions.

    Attributes:
        before, after: Median seconds per call.
        ratio: Median of before / after over the alternations.
        spread: Quartiles (25 %, 75 %) of these ratios.
    """

    before: float
    after: float
    ratio: float
    spread: tuple


def seconds(function, clock=time.perf_counter):
    """Returns the duration of one call, in seconds."""
    start = clock()
    function()
    return clock() - start


def alternate(one, other, repeats, turns=1, clock=time.perf_counter):
    """Times two warmed-up functions in alternation.

    Args:
        one: Function without arguments, called `repeats` times.
        other: Function without arguments, called `turns` times before and
            after each call of `one`.
        repeats: Number of calls of `one`.
        turns: Number of calls of `other` in a row. Defaults to 1.
        clock: Function that returns seconds.

    Returns:
        The times of `one`, and for each the median time of the calls of
        `other` around it; two arrays in seconds.
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
    """Returns the median of values, and their quartiles (25 %, 75 %)."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return float(median), (float(low), float(high))


def compare_times(before, after, repeats, clock=time.perf_counter):
    """Returns the `Timing` of two functions without arguments.

    After a warm-up, `after` is timed `repeats` times, `before` once more.
    """
    return summary([times_of(before, after, repeats, clock)])


def times_of(before, after, repeats, clock=time.perf_counter):
    """Returns the seconds per call of each alternation: an array for either
    function, as of `compare_times`."""
    (first, calls_first), (second, calls_second) = (
        _long_enough(function, clock) for function in (before, after)
    )
    times, base = alternate(second, first, repeats, clock=clock)
    return base / calls_first, times / calls_second


def summary(rounds):
    """Returns the `Timing` of all alternations of a list of rounds, pairs of
    arrays as of `times_of`."""
    base, times = map(np.concatenate, zip(*rounds, strict=True))
    ratio, spread = middle(base / times)
    return Timing(
        float(np.median(base)), float(np.median(times)), ratio, spread
    )


def _long_enough(function, clock):
    """Returns a function that repeats another for `_LEAST` seconds or more, and
    its number of calls."""
    function()
    once = seconds(function, clock)
    calls = max(1, math.ceil(_LEAST / once)) if once > 0 else 1

    def several():
        for _ in range(calls):
            function()

    return several, calls
