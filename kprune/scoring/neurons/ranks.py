"""Ranks values; ties go to a second key, then to a random draw."""

import numpy as np


def places(scores, second, rng):
    """Returns the place of each score in descending order, a permutation of
    1 .. d. Among equals `second` decides, then a draw."""
    order = np.lexsort((rng.random(len(scores)), -second, -scores))
    found = np.empty(len(scores), np.int64)
    found[order] = np.arange(1, len(scores) + 1)
    return found


def class_ranks(scores, alive, rng):
    """Returns the rank of each neuron for each class, (d, K): the best is 1.

    Among equals the one with the larger sum over the classes comes first.
    Neurons that are not `alive` share the rank d.
    """
    found = np.full(scores.shape, len(scores), np.int64)
    total = scores.sum(axis=1)
    for label in range(scores.shape[1]):
        found[alive, label] = places(scores[alive, label], total[alive], rng)
    return found


def break_ties(totals, second, gap, rng):
    """Returns what to take off totals, in [0, gap), so that equal ones fall
    apart.

    What lies within `gap` of the next smaller counts as equal. Among equals the
    largest in `second` loses nothing; what is equal in both is drawn.
    """
    order = np.argsort(-totals, kind="stable")
    opens = np.diff(-totals[order], prepend=-np.inf) > gap
    group = np.empty(len(totals), np.int64)
    group[order] = np.cumsum(opens)
    order = np.lexsort((rng.random(len(totals)), -second, group))
    starts = np.flatnonzero(np.diff(group[order], prepend=0))
    sizes = np.diff(starts, append=len(totals))
    position = np.arange(len(totals)) - np.repeat(starts, sizes)
    taken = np.empty(len(totals))
    taken[order] = gap * position / np.repeat(sizes, sizes)
    return taken


def rank_scores(scores, alive, rng, logarithms=False):
    """Returns Linear or Log OSSuM's scores, class by class, float64 (d, K):

        - rank_c(j),  or  - ln rank_c(j)

    less what decides between neurons of equal sum: the larger sum of the
    scores given, then a draw. Of the ranks that is less than a half, of the
    logarithms less than 1e-9, to which sums of logarithms of equal products
    are equal. `alive` says which of the d neurons are not gone.
    """
    ranks = class_ranks(scores, alive, rng).astype(np.float64)
    gap = 0.5
    if logarithms:
        ranks, gap = np.log(ranks), 1e-9
    taken = break_ties(-ranks.sum(axis=1), scores.sum(axis=1), gap, rng)
    return -ranks - taken[:, None] / ranks.shape[1]
