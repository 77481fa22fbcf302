"""GReg's quadratic penalty, one factor per weight (Wang et al., 2021).

https://arxiv.org/abs/2012.09243
"""

import keras

from kprune.callbacks.regularization.added import Added


class GrowingPenalty(Added):
    """Pulls the entries of a variable that are picked, and the others.

        gradient of w  +=  lambda w

    Of the penalty, lambda w^2 / 2, only the gradient enters: the loss that
    `fit` shows stays that of the task.

    Args:
        picked: Boolean variable of the weight's shape.
        on_picked, on_others: Scalar variables, lambda of the picked entries
            and of the others, which a traced step follows.
        own: The variable's own regularizer, or `None`.
    """

    def __init__(self, picked, on_picked, on_others, own=None):
        super().__init__(own)
        self.picked = picked
        self.on_picked = on_picked
        self.on_others = on_others

    def penalty(self, w):
        ops = keras.ops
        strength = ops.where(self.picked, self.on_picked, self.on_others)
        value = ops.sum(ops.cast(strength, w.dtype) * ops.square(w)) / 2
        return value - ops.stop_gradient(value)
