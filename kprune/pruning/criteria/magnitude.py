"""Magnitude: small weights go first (Han et al., 2015)."""

import tensorflow as tf

from kprune.runtime import types
from kprune.runtime.methods import Method
from kprune.scoring.objective import Objective


def magnitude(
    objective: Objective, weights: types.Tensors, masks: types.Masks
) -> types.Scores:
    """Scores a weight by its absolute value.

        score = |w|

    Before training, a global ranking by magnitude ranks layers by the standard
    deviation of their initializers: wide layers are pruned first, and may be
    emptied. No data is read.

    Args:
        objective, weights, masks: As for all criteria (`kprune.criteria`).
    """
    del objective, masks
    return {name: tf.abs(w) for name, w in weights.items()}


METHOD = Method(
    "magnitude",
    formula=r"\lvert w \rvert",
    call='kprune.prune(model, "magnitude", 0.9)',
    paper="Han et al., 2015",
    link="https://arxiv.org/abs/1506.02626",
    test="tests/pruning/test_criteria.py::test_scores_of_a_quadratic",
    deviation="the whole model is ranked, not each layer",
    channel={"reduce": "l2"},
    channel_allocation="lamp",
)
