"""Linear OSSuM: neurons by their ranks, class by class.

"OSSuM: A gradient-free approach for pruning neural networks at
initialization", anonymous authors, submitted to ICLR 2022, equation 4.
"""

from kprune.runtime import seeds
from kprune.runtime.methods import Method
from kprune.scoring import neurons


def linear_ossum(objective, weights, masks):
    """Scores the neurons of the last hidden layer by their ranks.

        score(j) = - sum_c rank_c(j)

    with rank_c the place of neuron j, from 1 on, in the order of OSSuM's
    scores for class c. Between neurons of equal score OSSuM's own decides, by
    a share of a rank, and then a draw. For `kprune.Channel("sum",
    side="outgoing")`.

    Args:
        objective: As for `ossum`.
        weights: Dict of dense weights by name.
        masks: Dict of the current masks.

    Returns:
        Dict of one array: by the name of the output layer's kernel, minus the
        ranks (d, K) in float64, less the share of a rank. Higher is kept.
    """
    found = neurons.class_sums(objective, weights, masks)
    rng = seeds.stream(objective.seed, "linear_ossum")
    alive = masks[found.name].any(axis=1)
    return {found.name: neurons.rank_scores(found.scores(), alive, rng)}


METHOD = Method(
    "linear_ossum",
    title="Linear OSSuM",
    call='kprune.prune(model, "linear_ossum", 0.9, data=data)',
    paper="OSSuM, submitted to ICLR 2022",
    test="tests/pruning/test_ossum.py::test_linear_and_log_are_the_double_loop",
    deviation="equal sums of ranks go by the plain score, then by the seed",
    build={"granularity": "channel", "allocation": "uniform"},
    channel={"reduce": "sum", "side": "outgoing"},
    channels_only=True,
)
