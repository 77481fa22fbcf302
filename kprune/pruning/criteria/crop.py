"""CroP: conserves the gradient flow (Rachwan et al., 2022)."""

import tensorflow as tf

from kprune.masking.masks import apply
from kprune.runtime import types
from kprune.runtime.methods import Method
from kprune.scoring.objective import Objective


def crop(
    objective: Objective, weights: types.Tensors, masks: types.Masks
) -> types.Scores:
    """Scores a weight by how much its removal changes the gradient flow.

        score = |w * (H g)|,  with g and H of the loss at W = w * mask

    This is the absolute value of GraSP's product, at temperature 1 (or the
    scoring's): it keeps the weights whose removal would change the squared
    norm of the gradient most, in either direction. The authors score with
    moving statistics: `scoring={"batch_norm": "eval"}`.

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
    deviation="before training; `kprune.callbacks.EarlyCroP` prunes by it "
    "at the paper's own moment",
    channel={"reduce": "sum"},
)
