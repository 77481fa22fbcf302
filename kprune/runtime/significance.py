"""Whether figures over seeds differ: tests, and the correction for many.

A claim is true or false only if a test says so at 5 % after the correction,
with at least three seeds. Otherwise it is undecided. Many methods are ranked
by Friedman's test and Nemenyi's, as in Demsar, 2006, "Statistical Comparisons
of Classifiers over Multiple Data Sets".
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


def enough(*counts):
    """Returns whether each sample has `LEAST_SEEDS` figures or more, by their
    counts. A verdict needs them."""
    return min(counts) >= LEAST_SEEDS


def difference(one, other):
    """Returns a `Finding` on the claim that `one` has the larger mean, by
    Welch's test."""
    holds = bool(np.mean(one) > np.mean(other))
    if not enough(len(one), len(other)):
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
    if not enough(*map(len, gains.values())):
        return Finding(not against, 1.0)
    if against:
        return Finding(False, min(1.0, len(gains) * min(against)))
    return Finding(True, max(values.values()))


@dataclasses.dataclass(frozen=True)
class Ranking:
    """Mean ranks of methods over blocks, and how sure they are.

    Args:
        ranks: Dict of the mean rank by name, the best first; 1 is the best.
            Ties share their ranks.
        blocks: Integer, over how many blocks.
        p_value: That of Friedman's test, of methods that are all alike; 1 if
            there are fewer than 3 methods or `LEAST_SEEDS` blocks.
        critical: The difference of mean ranks from which on Nemenyi's test
            tells two methods apart, corrected for all pairs. Infinite where
            the p-value is not below `LEVEL` or there are too few blocks.
    """

    ranks: dict
    blocks: int
    p_value: float
    critical: float

    def interval(self, name):
        """Returns a mean rank minus and plus half of the critical difference,
        within the ranks there are: methods of which the intervals do not
        overlap differ."""
        mean, half = self.ranks[name], self.critical / 2
        return max(1.0, mean - half), min(float(len(self.ranks)), mean + half)


def ranks(values):
    """Returns the ranks of an array of figures along its first axis: 1 is the
    largest, and ties share the mean of their ranks."""
    from scipy import stats

    return stats.rankdata(-np.asarray(values, float), axis=0)


def ranking(figures):
    """Returns the `Ranking` of methods by their figures; larger is better.

        critical = q sqrt(k (k + 1) / (6 n)) for k methods and n blocks

    q is the quantile of the studentized range of k values, infinite degrees of
    freedom, over sqrt(2). Blocks must be independent, as seeds are; several
    figures of one seed have to be made one first.

    Args:
        figures: Dict from name to a list of figures, one for each block in the
            same order.
    """
    from scipy import stats

    values = np.array([*figures.values()], float)
    count, blocks = values.shape
    means = ranks(values).mean(1)
    order = np.argsort(means, kind="stable")
    names = list(figures)
    found = {names[i]: float(means[i]) for i in order}
    if count < 3 or blocks < LEAST_SEEDS or not np.ptp(values, axis=0).any():
        return Ranking(found, blocks, 1.0, math.inf)
    p_value = float(stats.friedmanchisquare(*values).pvalue)
    critical = math.inf
    if p_value < LEVEL:
        quantile = stats.studentized_range.ppf(1 - LEVEL, count, np.inf)
        spread = math.sqrt(count * (count + 1) / (6 * blocks))
        critical = float(quantile) / math.sqrt(2) * spread
    return Ranking(found, blocks, p_value, critical)
