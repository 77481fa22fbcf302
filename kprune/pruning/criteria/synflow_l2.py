"""SynFlow-L2: the trace of the path kernel, without data (Gebhart et al.,
2021)."""

from kprune.runtime.methods import Method


def synflow_l2(objective, weights, masks):
    """Scores a weight by the flow through it in the network of w^2.

        score = |w| * dR/d(w^2),  R = 1' f(w^2; 1)

    Without biases R is the sum over all paths of the squared product of their
    weights, and dR/d(w^2) of it without the weight's own: what the weight adds
    to the trace of the path kernel, by which the network trains. Every other
    parameter and moving statistic is squared too. No data is read. Meant to be
    iterated, a hundred rounds. Patil and Dovrolis, 2021 (PHEW,
    https://arxiv.org/abs/2010.11354) find that it makes narrow layers.

    Args:
        objective, weights, masks: As for all criteria (`kprune.criteria`).
    """
    return objective.flow_scores(weights, masks, power=2)


METHOD = Method(
    "synflow_l2",
    title="SynFlow-L2",
    call='kprune.prune(model, "synflow_l2", 0.9)',
    paper="Gebhart et al., 2021",
    link="https://arxiv.org/abs/2101.10552",
    test="tests/pruning/test_path_criteria.py::"
    "test_synflow_l2_is_a_sum_over_paths",
    deviation="the score is that of the code of PHEW's authors",
    build={"schedule": "exponential", "rounds": 100},
    channel={"reduce": "sum"},
)
