"""GraSP-It: the squared gradient (de Jorge et al., 2021, appendix E).

https://arxiv.org/abs/2006.09081
"""

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
        objective: The training loss as a function of the weights.
        weights: Dict of dense weights by name.
        masks: Dict of the current masks, one of the weight's shape each.

    Returns:
        Dict of scores by name, each of its weight's shape. Higher is kept.
    """
    return objective.saliency(
        apply(masks, weights),
        lambda gradient: {name: tf.square(gradient[name]) for name in weights},
    )


METHOD = Method(
    "grasp_it",
    title="GraSP-It",
    call='kprune.prune(model, "grasp_it", 0.9, data=data)',
    paper="de Jorge et al., 2021",
    link="https://arxiv.org/abs/2006.09081",
    test="tests/pruning/test_criteria.py::test_scores_of_a_quadratic",
    build={"schedule": "exponential", "rounds": 60, "fresh_batches": True},
    channel={"reduce": "sum"},
)
