"""PX, path exclusion: the tangent kernel's trace on data (Iurada et al., 2024).

https://arxiv.org/abs/2406.01820
"""

from kprune.runtime import types
from kprune.runtime.methods import Method
from kprune.scoring.objective import Objective


def path_exclusion(
    objective: Objective, weights: types.Tensors, masks: types.Masks
) -> types.Scores:
    """Scores a weight by the tangent kernel of the active paths through it.

        score = |w| * dR/d(w^2),  R = c' f(w^2; 1)

    where c counts for each output, over all examples, its active paths, each
    weighted by its squared input. R bounds the trace of the neural tangent
    kernel. It is `synflow_l2` with outputs weighted by data. Labels and loss
    are not read. For Sequential and Functional models of ReLU, LeakyReLU and
    PReLU. Normalization uses moving statistics. Meant to be iterated, a
    hundred rounds, on two batches.

    Args:
        objective, weights, masks: As for all criteria (`kprune.criteria`).

    Raises:
        ValueError: If the model has layers whose active paths are unknown.
    """
    counts = objective.shared.path_activations.totals(
        weights, masks, objective.batches
    )
    return objective.flow_scores(weights, masks, power=2, shares=counts)


METHOD = Method(
    "path_exclusion",
    title="PX, path exclusion",
    call='kprune.prune(model, "path_exclusion", 0.9, data=data)',
    paper="Iurada et al., 2024",
    link="https://arxiv.org/abs/2406.01820",
    test="tests/pruning/test_path_criteria.py::"
    "test_path_exclusion_is_a_sum_over_active_paths",
    deviation="the counts of several batches add up; the released code adds "
    "up squared scores, which rank alike on one batch",
    build={"schedule": "exponential", "rounds": 100},
    channel={"reduce": "sum"},
)
