"""All groups of a model against each other."""

import numpy as np

from kprune.masking import masks
from kprune.pruning.allocation.counts import kept_in_all


def global_(groups, sizes, shapes, budget, rng):
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
    # Which of the equal groups stay is drawn: here, how many of each weight.
    drawn = rng.multivariate_hypergeometric(
        ties, kept - sum(counts), method="marginals"
    )
    return {
        name: count + int(extra)
        for name, count, extra in zip(groups, counts, drawn, strict=True)
    }


def _with_minimum_first(scores, minimum, rng):
    """Lifts the best `minimum` groups above all others."""
    if minimum == 0:
        return scores
    best = masks.top_k(scores, min(minimum, scores.size), rng)
    return np.where(best, np.inf, scores)
