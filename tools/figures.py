"""Times taken by turns, and the lines of the table they become."""

import dataclasses
import itertools
import time

import numpy as np


@dataclasses.dataclass(frozen=True)
class Figure:
    """One line of the table."""

    what: str
    median: float
    spread: tuple
    target: str
    note: str = ""
    unit: str = "x"

    def line(self):
        low, high = self.spread
        return (
            f"| {self.what} | {self.median:.2f} {self.unit} | "
            f"{low:.2f} to {high:.2f} | {self.target} | {self.note} |"
        )


def seconds(function):
    """Returns how long one call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def alternate(one, other, repeats, turns=1):
    """Times two functions by turns, the other before, between and after.

    Args:
        one: Function whose time is asked for, warmed up.
        other: Function to compare it with, warmed up.
        repeats: How often to call `one`.
        turns: How often to call `other` each time.

    Returns:
        The times of `one`, and for each the median of the other's around it.
    """

    def others():
        return [seconds(other) for _ in range(turns)]

    times, around = [], [others()]
    for _ in range(repeats):
        times.append(seconds(one))
        around.append(others())
    pairs = itertools.pairwise(around)
    return np.array(times), np.array([np.median(a + b) for a, b in pairs])


def figure(what, values, target, **options):
    low, high = np.percentile(values, [25, 75])
    return Figure(
        what, float(np.median(values)), (low, high), target, **options
    )
