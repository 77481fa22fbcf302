"""Scores freshly drawn weights instead of the trained ones.

Released codes of SNIP and GraSP draw new weights for scoring and then mask the
original ones; replicating their results requires the same.
"""

import keras
import numpy as np

from kprune.runtime import seeds


def rescored_at_fresh_init(criterion, dense_only=False):
    """Returns a criterion that scores fresh draws by Glorot's normal law.

    Draws follow from the objective's seed and the weights' names.

    Args:
        criterion: A function of (objective, weights, masks).
        dense_only: Whether to redraw matrices only. Defaults to `False`.
    """

    def scored(objective, weights, masks):
        drawn = {
            name: _draw(objective.seed, name, w)
            if not dense_only or len(w.shape) == 2
            else w
            for name, w in weights.items()
        }
        return criterion(objective, drawn, masks)

    return scored


def _draw(seed, name, w):
    draw = keras.initializers.VarianceScaling(
        scale=1.0,
        mode="fan_avg",
        distribution="untruncated_normal",
        seed=int(seeds.stream(seed, "redraw", name).integers(2**31)),
    )
    return draw(
        tuple(np.shape(w)), dtype=keras.backend.standardize_dtype(w.dtype)
    )
