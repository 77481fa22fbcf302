"""GReg's quadratic penalty, one factor per weight (Wang et al., 2021).

https://arxiv.org/abs/2012.09243
"""

from typing import Any

import keras
import numpy as np

from kprune.callbacks.regularization.added import Added


class GrowingPenalty(Added):
    """Penalizes the picked entries of a variable and the others separately.

        gradient of w  +=  lambda w

    The penalty, lambda w^2 / 2, enters the gradient only: the loss that `fit`
    shows stays that of the task.

    Args:
        picked: Boolean variable of the weight's shape.
        on_picked, on_others: Scalar variables, lambda of the picked entries
            and of the others. Assigning them takes effect in traced steps.
        own: The variable's own regularizer, or `None`.
    """

    def __init__(
        self,
        picked: keras.Variable,
        on_picked: keras.Variable,
        on_others: keras.Variable,
        own: keras.regularizers.Regularizer | None = None,
    ) -> None:
        super().__init__(own)
        self.picked = picked
        self.on_picked = on_picked
        self.on_others = on_others

    def penalty(self, w: Any) -> Any:
        ops = keras.ops
        strength = ops.where(self.picked, self.on_picked, self.on_others)
        value = ops.sum(ops.cast(strength, w.dtype) * ops.square(w)) / 2
        # The value is 0 and the gradient that of the penalty.
        return value - ops.stop_gradient(value)


def nothing_picked(masks: dict[str, np.ndarray]) -> dict[str, keras.Variable]:
    """Returns a boolean variable of each mask's shape, all `False`, by name."""
    return {
        name: keras.Variable(
            np.zeros_like(mask),
            dtype="bool",
            trainable=False,
            name=f"{name.replace('/', '_')}_picked",
        )
        for name, mask in masks.items()
    }
