"""Log OSSuM: neurons by the logarithms of their ranks, class by class.

"OSSuM: A gradient-free approach for pruning neural networks at
initialization", anonymous authors, submitted to ICLR 2022, equation 5.
"""

from kprune.runtime import seeds
from kprune.runtime.methods import Method
from kprune.scoring import neurons


def log_ossum(objective, weights, masks):
    """Scores the neurons of the last hidden layer by logarithms of ranks.

        score(j) = - sum_c ln rank_c(j)

    with rank_c the place of neuron j, from 1 on, in the order of OSSuM's
    scores for class c: to be among the first for one class counts for more
    than by `linear_ossum`. Between neurons of equal score, to 1e-9, OSSuM's
    own decides, and then a draw. For `kprune.Channel("sum",
    side="outgoing")`.

    Args:
        objective: As for `ossum`.
        weights: Dict of dense weights by name.
        masks: Dict of the current masks.

    Returns:
        Dict of one array: by the name of the output layer's kernel, minus the
        logarithms (d, K) in float64, less 1e-9 at most. Higher is kept.
    """
    found = neurons.class_sums(objective, weights, masks)
    rng = seeds.stream(objective.seed, "log_ossum")
    alive = masks[found.name].any(axis=1)
    return {
        found.name: neurons.rank_scores(
            found.scores(), alive, rng, logarithms=True
        )
    }


METHOD = Method(
    "log_ossum",
    title="Log OSSuM",
    call='kprune.prune(model, "log_ossum", 0.9, data=data)',
    paper="OSSuM, submitted to ICLR 2022",
    test="tests/pruning/test_ossum.py::test_linear_and_log_are_the_double_loop",
    deviation="as Linear OSSuM",
    build={"granularity": "channel", "allocation": "uniform"},
    channel={"reduce": "sum", "side": "outgoing"},
    channels_only=True,
)
