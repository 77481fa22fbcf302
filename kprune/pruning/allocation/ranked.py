"""Ranks all groups of a model against each other."""

from collections.abc import Iterable, Sequence

import numpy as np

from kprune.masking import masks
from kprune.masking.masks import Budget
from kprune.pruning.allocation.counts import checked_allocation, kept_in_all


class Counts(dict):
    """Counts by name, with the lowest kept score as `border`."""

    def __init__(self, counts: Iterable[tuple[str, int]], border: float):
        super().__init__(counts)
        self.border = border


@checked_allocation
def global_(
    groups: dict[str, np.ndarray],
    sizes: dict[str, int],
    shapes: dict[str, Sequence[int]],
    budget: Budget,
    rng: np.random.Generator,
) -> dict[str, int]:
    """Ranks all groups of the model together."""
    del shapes
    parts = [
        _with_minimum_first(scores, budget.minimum, rng)
        for scores in groups.values()
    ]
    kept = kept_in_all(groups, sizes, budget)
    if kept == 0:
        return dict.fromkeys(groups, 0)
    border = masks.kth_largest(parts, kept)
    counts = [int(np.count_nonzero(part > border)) for part in parts]
    ties = [int(np.count_nonzero(part == border)) for part in parts]
    # Ties are broken at random: draw how many of them each weight keeps.
    drawn = rng.multivariate_hypergeometric(
        ties, kept - sum(counts), method="marginals"
    )
    whole = [count + int(n) for count, n in zip(counts, drawn, strict=True)]
    return Counts(zip(groups, whole, strict=True), border)


@checked_allocation
def normalized(
    groups: dict[str, np.ndarray],
    sizes: dict[str, int],
    shapes: dict[str, Sequence[int]],
    budget: Budget,
    rng: np.random.Generator,
) -> dict[str, int]:
    """Ranks all groups together, by scores over their weight's mean |score|.

    This prevents emptying weights for their scale alone: a layer with many
    inputs, or with small weights, has small scores throughout.
    """
    groups = {name: _over_mean(scores) for name, scores in groups.items()}
    return dict(global_(groups, sizes, shapes, budget, rng))


@checked_allocation
def lamp(
    groups: dict[str, np.ndarray],
    sizes: dict[str, int],
    shapes: dict[str, Sequence[int]],
    budget: Budget,
    rng: np.random.Generator,
) -> dict[str, int]:
    """Ranks all groups together, by squared scores relative to larger ones.

        score of u = s_u^2 / sum of s_v^2 over the groups v with s_v >= s_u

    The sum is over groups of the same weight. The best group of each weight
    scores 1, so no weight is emptied before all have one group left. LAMP, Lee
    et al., 2021, https://arxiv.org/abs/2010.07611, where s is the magnitude.
    Negative scores count as zero.
    """
    groups = {name: _lamp(scores) for name, scores in groups.items()}
    return dict(global_(groups, sizes, shapes, budget, rng))


def _over_mean(scores):
    """Returns scores over their mean absolute value; zeros stay."""
    whole = np.abs(scores).sum(dtype=np.float64)
    return scores * (scores.size / whole) if whole else scores


def _lamp(scores):
    """Returns the LAMP scores of a weight, sorted."""
    squares = np.sort(np.square(np.maximum(scores, 0), dtype=np.float64))
    left = np.cumsum(squares[::-1])[::-1]
    return np.divide(squares, left, out=np.zeros_like(left), where=left > 0)


def _with_minimum_first(scores, minimum, rng):
    """Returns scores with the best `minimum` groups set to infinity."""
    if minimum == 0:
        return scores
    best = masks.top_k(scores, min(minimum, scores.size), rng)
    return np.where(best, np.inf, scores)
