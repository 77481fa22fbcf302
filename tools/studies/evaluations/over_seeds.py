"""What the evaluations share: tables over seeds, tests and verdicts."""

import numpy as np

from kprune.runtime import significance, tables


def means(found, name):
    """Returns a text for each row: the mean of a figure over seeds.

    Args:
        found: List over seeds of lists of dicts, one dict for each row.
        name: String, the figure.
    """
    return [tables.mean(values) for values in columns(found, name)]


def columns(found, name):
    """Returns the values of a figure, an array (rows, seeds)."""
    return np.array([[row[name] for row in rows] for rows in found]).T


def verdicts(gains, words=("higher", "lower")):
    """Returns for each row of an array (rows, seeds) of differences what a
    paired t-test says of it, after Holm's correction over the rows."""
    p_values = significance.holm(
        {i: significance.paired(row) for i, row in enumerate(gains)}
    )
    return [_verdict(row, p_values[i], words) for i, row in enumerate(gains)]


def correlation(one, other):
    """Returns in words how two arrays (rows, seeds) go together: the mean of
    Spearman's rank correlations of the seeds, tested to be 0 over them."""
    pairs = zip(one.T, other.T, strict=True)
    found = [_spearman(*pair) for pair in pairs]
    p_value = significance.paired(found)
    verdict = _verdict(found, p_value, ("positive", "negative"))
    return f"{tables.mean(found)} over {len(found)} seeds, {verdict}"


def _spearman(one, other):
    """Returns Spearman's rank correlation, 0 where a side does not vary."""
    from scipy import stats

    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(stats.spearmanr(one, other).statistic)


def _verdict(gains, p_value, words):
    verdict = "undecided"
    enough = significance.enough(len(gains))
    if enough and p_value < significance.LEVEL:
        verdict = words[0] if np.mean(gains) > 0 else words[1]
    return f"{verdict}, p = {p_value:.2g}"
