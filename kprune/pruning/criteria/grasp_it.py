"""GraSP-It: the squared gradient (de Jorge et al., 2021, appendix E)."""

import tensorflow as tf

from kprune.masking.masks import apply
from kprune.runtime import types
from kprune.runtime.methods import Method
from kprune.scoring.objective import Objective


def grasp_it(
    objective: Objective, weights: types.Tensors, masks: types.Masks
) -> types.Scores:
    """Scores a weight by its share of the pruned network's gradient norm.

        score = (dL/dW)^2,  taken at W = w * mask

    Like GraSP it aims to preserve the gradient norm, but it approximates the
    loss of norm by the gradient of the removed weights instead of a Hessian.
    Meant to be iterated, as the method of this name does; one round is not
    GraSP.

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
