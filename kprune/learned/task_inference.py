"""Infers the task of a batch from masks alone (SupSup, Wortsman et al., 2020).

https://arxiv.org/abs/2006.14769

The masks of all tasks are superposed with weights alpha. The task is the one
whose mask, given more weight, decreases the outputs' entropy most:

    argmax -dH/d alpha_i,  H the mean entropy of softmax(f(x; sum alpha_i W_i))
"""

import numpy as np
import tensorflow as tf

from kprune.runtime import keras_internals
from kprune.scoring import exact_moments


def entropy(logits):
    """Returns the mean entropy of the distribution over classes."""
    chances = tf.nn.softmax(logits)
    return -tf.reduce_mean(
        tf.reduce_sum(chances * tf.nn.log_softmax(logits), axis=-1)
    )


def superfluous(classes):
    """Returns G, the mean logsumexp of all outputs, as a function of logits.

    Only the superfluous outputs after the first `classes` have a gradient.
    """

    def objective(logits):
        used = tf.stop_gradient(logits[..., :classes])
        both = tf.concat([used, logits[..., classes:]], axis=-1)
        return tf.reduce_mean(tf.reduce_logsumexp(both, axis=-1))

    return objective


def one_shot(gradient, count):
    """Returns the index of the task, out of `count`, after one gradient.

    `gradient` is a function of the weights alpha.
    """
    return int(np.argmin(gradient(np.full(count, 1 / count))))


def binary(gradient, count):
    """Returns the index of the task; each gradient halves the candidates."""
    left = np.arange(count)
    while len(left) > 1:
        alpha = np.zeros(count)
        alpha[left] = 1 / len(left)
        order = np.argsort(gradient(alpha)[left], kind="stable")
        left = left[order[: (len(left) + 1) // 2]]
    return int(left[0])


RULES = {"one_shot": one_shot, "binary": binary}


class Superposition:
    """A plain network that computes with a mixture of the tasks' weights.

    Batch normalization uses batch statistics, as the task is not known yet.

    Args:
        model: A plain Keras model.
        weights: List of pairs of a variable and its values, one per task.
    """

    def __init__(self, model, weights):
        self._model = model
        self._weights = [
            (variable, tf.cast(tf.stack(values), "float32"))
            for variable, values in weights
        ]

    def gradient(self, x, objective, alpha):
        """Returns the gradient of `objective(logits)` with respect to alpha."""
        alpha = tf.constant(alpha, "float32")
        with tf.GradientTape() as tape:
            tape.watch(alpha)
            logits = tf.cast(self._logits(x, alpha), "float32")
            value = objective(logits)
        return tape.gradient(value, alpha).numpy()

    def _logits(self, x, alpha):
        mixed = [
            (variable, tf.tensordot(alpha, values, 1))
            for variable, values in self._weights
        ]
        with (
            exact_moments.scoring(batch_statistics=True),
            keras_internals.stateless(self._model, mixed),
        ):
            return self._model(x, training=False)
