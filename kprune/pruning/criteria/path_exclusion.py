"""PX, path exclusion: the trace of the tangent kernel on data (Iurada et al.,
2024)."""

from kprune.runtime.methods import Method


def path_exclusion(objective, weights, masks):
    """Scores a weight by what the paths through it add to the tangent kernel.

        score = |w| * dR/d(w^2),  R = c' f(w^2; 1)

    where c counts for each output, over all examples, the paths to it that
    are active, each by its input squared. R bounds the trace of the neural
    tangent kernel. It is `synflow_l2` with outputs that count as data says.
    Of labels and loss nothing is read. For Sequential and Functional models
    of ReLU, LeakyReLU and PReLU. Normalization is by moving statistics. Meant
    to be iterated, a hundred rounds, on two batches.

    Args:
        objective, weights, masks: As for all criteria (`kprune.criteria`).

    Raises:
        ValueError: If it is not known when a path is active.
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
