"""Whether two lists of figures differ by more than chance, and by how much."""

import dataclasses
import math
import statistics

import numpy as np

from kprune.runtime import user_warnings


@dataclasses.dataclass(frozen=True)
class Difference:
    """One list of figures less another.

    Args:
        mean: The difference of the means.
        interval: Tuple of the ends of its 95 % interval by Welch's test.
        p_value: Of that test, two-sided: that the means are equal.
        hedges: Hedges' g, the difference in standard deviations, corrected
            for few figures; `None` where neither side varies.
        hedges_interval: Tuple of the ends of its 95 % interval, or `None`.
    """

    mean: float
    interval: tuple
    p_value: float
    hedges: float | None
    hedges_interval: tuple | None


def difference(one, other):
    """Returns the `Difference` of two lists of two figures or more.

        t = (mean - mean') / sqrt(s^2 / n + s'^2 / n')
        g = (1 - 3 / (4 (n + n') - 9)) (mean - mean') / pooled s

    by Welch's test, which does not take the variances for equal (Welch, 1947,
    https://doi.org/10.1093/biomet/34.1-2.28), and Hedges' g, with the interval
    of its usual large-sample variance, (n + n') / (n n') + g^2 / 2 (n + n').
    Where neither side varies, the difference counts as it is.
    """
    mean = statistics.mean(one) - statistics.mean(other)
    if len({*one}) == len({*other}) == 1:
        return Difference(mean, (mean, mean), float(mean == 0), None, None)
    from scipy import stats  # It takes a second to import.

    # One side may not vary.
    with user_warnings.silenced(), np.errstate(all="ignore"):
        test = stats.ttest_ind(one, other, equal_var=False)
    interval = tuple(map(float, test.confidence_interval()))
    hedges, around = _hedges(one, other, mean)
    return Difference(mean, interval, float(test.pvalue), hedges, around)


def paired(gains):
    """Returns the p-value of a paired t-test, two-sided; 1 of one pair.

    Args:
        gains: Array of the differences of pairs.
    """
    from scipy import stats  # It takes a second to import.

    if len(gains) < 2:
        return 1.0
    if np.ptp(gains) == 0:
        return float(gains[0] == 0)
    return float(stats.ttest_1samp(gains, 0).pvalue)


def holm(values):
    """Returns p-values corrected for their number (Holm, 1979), least first.

    Args:
        values: Dict of p-values.
    """
    corrected, largest = {}, 0.0
    for place, name in enumerate(sorted(values, key=values.get)):
        largest = max(largest, min(1.0, values[name] * (len(values) - place)))
        corrected[name] = largest
    return corrected


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
