"""Magnitude: small weights go first (Han et al., 2015).

https://arxiv.org/abs/1506.02626
"""

import tensorflow as tf


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


magnitude.on_channels = {"reduce": "l2"}
