"""Log OSSuM: by logarithms of ranks, class by class (`ossum`, equation 5)."""

from kprune.pruning.criteria.ossum import LAST_LAYER, by_ranks
from kprune.runtime import types
from kprune.runtime.methods import Method
from kprune.scoring.objective import Objective


def log_ossum(
    objective: Objective, weights: types.Tensors, masks: types.Masks
) -> types.Scores:
    """Scores the neurons of the last hidden layer by logarithms of ranks.

        score(j) = - sum_c ln rank_c(j)

    with the ranks of `linear_ossum`; a high rank for a single class counts for
    more here. Ties, to within 1e-9, are broken by OSSuM's own score, and then
    at random.

    Args:
        objective, weights, masks: As for `ossum`.

    Returns:
        As `ossum` does.
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
