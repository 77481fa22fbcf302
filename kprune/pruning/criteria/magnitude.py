"""Magnitude: small weights go first (Han et al., 2015).

https://arxiv.org/abs/1506.02626
"""

import tensorflow as tf

from kprune.runtime.methods import Method


def magnitude(objective, weights, masks):
    """Scores a weight by its absolute value.

        score = |w|

    Before training, a global ranking by magnitude is one by the standard
    deviation of each layer's initializer: wide layers lose first, and may
    lose everything.

    Args:
        objective: Not used; no data is read.
        weights: Dict of dense weights by name.
        masks: Dict of the current masks.

    Returns:
        Dict of scores by name, each of its weight's shape. Higher is kept.
    """
    del objective, masks
    return {name: tf.abs(w) for name, w in weights.items()}


METHOD = Method(
    "magnitude",
    title="magnitude",
    call='kprune.prune(model, "magnitude", 0.9)',
    paper="Han et al., 2015",
    link="https://arxiv.org/abs/1506.02626",
    test="tests/pruning/test_criteria.py::test_magnitude_is_the_absolute_value",
    deviation="the whole model is ranked, not each layer",
    channel={"reduce": "l2"},
)
