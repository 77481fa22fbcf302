"""A quadratic penalty whose strength differs by weight and grows.

"Neural Pruning via Growing Regularization", Wang et al., 2021
(https://arxiv.org/abs/2012.09243).
"""

import keras

from kprune.callbacks.regularization.added import Added


class GrowingPenalty(Added):
    """Pulls the entries of a variable that are picked, and the others.

        gradient of w  +=  lambda w

    with one lambda for the picked entries and one for the others. Both are
    variables, so that a traced step follows them. The penalty is
    lambda w^2 / 2, of which only the gradient enters: the loss that `fit`
    shows stays that of the task.

    Args:
        picked: Boolean variable of the weight's shape.
        on_picked, on_others: Scalar variables, the lambdas.
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
