"""Log OSSuM: by logarithms of ranks, class by class (`ossum`, equation 5)."""

from kprune.pruning.criteria.ossum import LAST_LAYER, by_ranks
from kprune.runtime.methods import Method


def log_ossum(objective, weights, masks):
    """Scores the neurons of the last hidden layer by logarithms of ranks.

        score(j) = - sum_c ln rank_c(j)

    with ranks as of `linear_ossum`: to be among the first for one class counts
    for more here. Between neurons of equal score, to 1e-9, OSSuM's own
    decides, and then a draw.

    Args:
        objective, weights, masks: As for `ossum`, and so what is returned.
    """
    return by_ranks(objective, weights, masks, "log_ossum", logarithms=True)


METHOD = Method(
    "log_ossum",
    title="Log OSSuM",
    formula=r"-\sum_c \ln \operatorname{rank}_c(j)",
    test="tests/pruning/test_ossum.py::test_linear_and_log_are_the_double_loop",
    deviation="as Linear OSSuM",
    **LAST_LAYER,
)
