"""CroP: what the flow of the gradient depends on (Rachwan et al., 2022)."""

import tensorflow as tf

from kprune.masking.masks import apply
from kprune.runtime.methods import Method


def crop(objective, weights, masks):
    """Scores a weight by how much the flow of the gradient changes without it.

        score = |w * (H g)|,  with g and H of the loss at W = w * mask

    It is GraSP's product at temperature 1 (or the scoring's) without its sign:
    the weights that the squared norm of the gradient depends on most stay,
    whichever way it would go. The authors score with moving statistics:
    `scoring={"batch_norm": "eval"}`.

    Args:
        objective, weights, masks: As for all criteria (`kprune.criteria`).
    """
    product = objective.hvp(apply(masks, weights))
    return {name: tf.abs(w * product[name]) for name, w in weights.items()}


METHOD = Method(
    "crop",
    title="CroP",
    paper="Rachwan et al., 2022",
    link="https://arxiv.org/abs/2206.10451",
    test="tests/pruning/test_criteria.py::test_scores_of_a_quadratic",
    deviation="before training, or early in it by `GradualPruning`, whose "
    "`begin` says when: the paper's own rule for that time is left out",
    channel={"reduce": "sum"},
)
