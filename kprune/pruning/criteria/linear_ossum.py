"""Linear OSSuM: by ranks, class by class (`ossum`, equation 4)."""

from kprune.pruning.criteria.ossum import LAST_LAYER, by_ranks
from kprune.runtime import types
from kprune.runtime.methods import Method
from kprune.scoring.objective import Objective


def linear_ossum(
    objective: Objective, weights: types.Tensors, masks: types.Masks
) -> types.Scores:
    """Scores the neurons of the last hidden layer by their ranks.

        score(j) = - sum_c rank_c(j)

    with rank_c the rank of neuron j, from 1, by OSSuM's scores for class c.
    Ties are broken by OSSuM's own score, which adds a fraction of a rank, and
    then at random.

    Args:
        objective, weights, masks: As for `ossum`.

    Returns:
        As `ossum` does.
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
