"""Whether figures over seeds differ: tests, and the correction for many.

A claim is true or false only if a test says so at 5 % after the correction,
with at least three seeds. Otherwise it is undecided.
"""

import dataclasses
import math
import statistics

import numpy as np

from kprune.runtime import user_warnings

LEVEL = 0.05
LEAST_SEEDS = 3


def welch(one, other):
    """Returns the ends of the 95 % confidence interval of a difference of
    means, and the two-sided p-value of its being 0, by Welch's test."""
    if len({*one}) == len({*other}) == 1:  # Neither side varies.
        difference = float(np.mean(one) - np.mean(other))
        return (difference, difference), float(difference == 0)
    from scipy import stats  # The import takes a second.

    # SciPy warns if one side does not vary.
    with user_warnings.silenced(), np.errstate(all="ignore"):
        test = stats.ttest_ind(one, other, equal_var=False)
    return tuple(map(float, test.confidence_interval())), float(test.pvalue)


def paired(gains):
    """Returns the two-sided p-value of a t-test that the mean of an array of
    differences is 0; 1 for a single difference.

    If all differences are equal, as counts may be, a t-test would be certain.
    A sign test replaces it: 2 (1/2)^n.
    """
    gains = np.asarray(gains, float)
    if len(gains) < 2 or not gains.any():
        return 1.0
    if np.ptp(gains) == 0:
        return 2.0 ** (1 - len(gains))
    from scipy import stats

    return float(stats.ttest_1samp(gains, 0).pvalue)


@dataclasses.dataclass(frozen=True)
class Effect:
    """How much larger one list of figures is than another.

    Args:
        mean: The difference of the means.
        interval: Tuple of the ends of its 95 % confidence interval, by Welch's
            test.
        p_value: The two-sided p-value of that test, of equal means.
        hedges: Hedges' g, the difference in standard deviations, corrected
            for small samples; `None` if neither side varies.
        hedges_interval: Tuple of the ends of its 95 % confidence interval, or
            `None`.
    """

    mean: float
    interval: tuple
    p_value: float
    hedges: float | None
    hedges_interval: tuple | None


def effect(one, other):
    """Returns the `Effect` of two lists of at least two figures each.

        t = (mean - mean') / sqrt(s^2 / n + s'^2 / n')
        g = (1 - 3 / (4 (n + n') - 9)) (mean - mean') / pooled s

    t is that of Welch's test, which does not assume equal variances (Welch,
    1947, https://doi.org/10.1093/biomet/34.1-2.28). g is Hedges' g,
    whose interval uses its usual large-sample variance,
    (n + n') / (n n') + g^2 / 2 (n + n'). It is undefined if neither side
    varies.
    """
    mean = statistics.mean(one) - statistics.mean(other)
    interval, p_value = welch(one, other)
    if len({*one}) == len({*other}) == 1:
        return Effect(mean, interval, p_value, None, None)
    return Effect(mean, interval, p_value, *_hedges(one, other, mean))


def _hedges(one, other, mean):
    """Returns Hedges' g and its 95 % interval."""
    n, m = len(one), len(other)
    squares = sum(
        (x - statistics.mean(side)) ** 2 for side in (one, other) for x in side
    )
    pooled = math.sqrt(squares / (n + m - 2))
    hedges = (1 - 3 / (4 * (n + m) - 9)) * mean / pooled
    spread = math.sqrt((n + m) / (n * m) + hedges**2 / (2 * (n + m)))
    reach = statistics.NormalDist().inv_cdf(0.975) * spread
    return hedges, (hedges - reach, hedges + reach)


def holm(values):
    """Returns a dict of p-values corrected for their number (Holm, 1979),
    smallest first.

    Args:
        values: Dict from name to p-value.
    """
    corrected, largest = {}, 0.0
    for place, name in enumerate(sorted(values, key=values.get)):
        largest = max(largest, min(1.0, values[name] * (len(values) - place)))
        corrected[name] = largest
    return corrected


@dataclasses.dataclass(frozen=True)
class Finding:
    """A test result: whether the means agree with a claim, and the p-value."""

    holds: bool
    p_value: float

    def answer(self, p_value):
        """Returns the verdict by the corrected p-value: `"true"`, `"false"` or
        `"undecided"`."""
        if p_value >= LEVEL:
            return "undecided"
        return "true" if self.holds else "false"


def difference(one, other):
    """Returns a `Finding` on the claim that `one` has the larger mean, by
    Welch's test."""
    holds = bool(np.mean(one) > np.mean(other))
    if min(len(one), len(other)) < LEAST_SEEDS:
        return Finding(holds, 1.0)
    return Finding(holds, welch(one, other)[1])


def conjunction(gains):
    """Returns a `Finding` on a claim that several differences are all positive.

    The claim is true if each test says so: the p-value is the largest of all
    tests. It is false if one test says so: the p-value is the smallest of those
    whose mean is not positive, times the number of tests.

    Args:
        gains: Dict of arrays of differences, which have one per seed.
    """
    values = {name: paired(gain) for name, gain in gains.items()}
    against = [values[n] for n, gain in gains.items() if np.mean(gain) <= 0]
    if any(len(gain) < LEAST_SEEDS for gain in gains.values()):
        return Finding(not against, 1.0)
    if against:
        return Finding(False, min(1.0, len(gains) * min(against)))
    return Finding(True, max(values.values()))
