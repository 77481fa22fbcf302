"""SynFlow-L2: the path kernel's trace, without data (Gebhart et al., 2021)."""

from kprune.runtime import types
from kprune.runtime.methods import Method
from kprune.scoring.objective import Objective


def synflow_l2(
    objective: Objective, weights: types.Tensors, masks: types.Masks
) -> types.Scores:
    """Scores a weight by the flow through it in the network of w^2.

        score = |w| * dR/d(w^2),  R = 1' f(w^2; 1)

    Without biases R is the sum over all paths of the squared product of their
    weights, and dR/d(w^2) the sum over the paths through w, without w itself:
    the weight's contribution to the trace of the path kernel, which governs
    training. All other parameters and moving statistics are squared too. No
    data is read. Meant to be iterated, a hundred rounds. Patil and Dovrolis,
    2021 (PHEW, https://arxiv.org/abs/2010.11354) find that it leaves narrow
    layers.

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
