"""Linear OSSuM: by ranks, class by class (`ossum`, equation 4)."""

from kprune.pruning.criteria.ossum import LAST_LAYER, by_ranks
from kprune.runtime.methods import Method


def linear_ossum(objective, weights, masks):
    """Scores the neurons of the last hidden layer by their ranks.

        score(j) = - sum_c rank_c(j)

    with rank_c the place of neuron j, from 1 on, in the order of OSSuM's
    scores for class c. Between neurons of equal score OSSuM's own decides, by
    a share of a rank, and then a draw.

    Args:
        objective, weights, masks: As for `ossum`, and so what is returned.
    """
    return by_ranks(objective, weights, masks, "linear_ossum")


METHOD = Method(
    "linear_ossum",
    title="Linear OSSuM",
    formula=r"-\sum_c \operatorname{rank}_c(j)",
    test="tests/pruning/test_ossum.py::test_linear_and_log_are_the_double_loop",
    deviation="equal sums of ranks go by the plain score, then by the seed",
    **LAST_LAYER,
)
