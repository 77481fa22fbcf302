"""GraSP-It: the squared gradient (de Jorge et al., 2021, appendix E)."""

import tensorflow as tf

from kprune.masking.masks import apply
from kprune.runtime.methods import Method


def grasp_it(objective, weights, masks):
    """Scores a weight by its part in the norm of the pruned net's gradient.

        score = (dL/dW)^2,  taken at W = w * mask

    To keep the gradient's norm is GraSP's aim; this approximates what is lost
    by the gradient of the weights removed rather than by a Hessian. Meant to
    be iterated, as the method of this name does; one round is not GraSP.

    Args:
        objective, weights, masks: As for all criteria (`kprune.criteria`).
    """
    return objective.saliency(
        apply(masks, weights),
        lambda gradient: {name: tf.square(gradient[name]) for name in weights},
    )


METHOD = Method(
    "grasp_it",
    title="GraSP-It",
    formula=r"g^2",
    paper="de Jorge et al., 2021",
    link="https://arxiv.org/abs/2006.09081",
    test="tests/pruning/test_criteria.py::test_scores_of_a_quadratic",
    build={"schedule": "exponential", "rounds": 60, "fresh_batches": True},
    channel={"reduce": "sum"},
)
