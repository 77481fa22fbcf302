"""Block influence: how much a block changes its input (ShortGPT).

    influence = 1 - mean over tokens of cos(x, y)

where x is a block's input at a token, and y its output there.

Men et al., 2024, https://arxiv.org/abs/2403.03853.
"""

import keras
import numpy as np
import tensorflow as tf

from kprune.masking import made_up, weights
from kprune.runtime import identity, keras_internals
from kprune.scoring.observer import Observer


class Influences(Observer):
    """Sums up how much blocks change tokens as they are called, without
    padding.

    Args:
        blocks: List of layers with one output each.
    """

    def __init__(self, blocks):
        super().__init__({}, gram=False)
        self._totals = identity.ByIdentity((x, [0.0, 0.0]) for x in blocks)

    def __call__(self, layer, call, args, kwargs):
        outputs = super().__call__(layer, call, args, kwargs)
        if layer in self._totals:
            x, y = signals(args, kwargs, outputs)
            if x is not None:
                valid = self._valid_in(call, args, kwargs, x)
                for place, found in enumerate(_changes(x, y, valid)):
                    self._totals[layer][place] += float(found)
        return outputs

    def means(self):
        """Returns a list of the influence of each block, infinite if its
        output has another shape than its input."""
        sums = self._totals.values()
        return [total / count if count else np.inf for total, count in sums]


def signals(args, kwargs, outputs):
    """Returns the input and the output tensor of a block's call, or `None`
    twice unless its one output has the shape of its input."""
    given = args[0] if args else next(iter(kwargs.values()), None)
    (made, *more) = keras.tree.flatten(outputs) or [None]
    fits = tf.is_tensor(given) and tf.is_tensor(made) and not more
    if not fits or tuple(given.shape) != tuple(made.shape):
        return None, None
    return given, made


def _changes(x, y, valid):
    """Returns the sum of 1 - cos over tokens, and their number. A token of
    zeros has no direction and does not count."""
    x, y = (tf.cast(one, tf.float64) for one in (x, y))
    sizes = tf.norm(x, axis=-1) * tf.norm(y, axis=-1)
    counts = sizes > 0 if valid is None else (sizes > 0) & valid
    cosines = tf.math.divide_no_nan(tf.reduce_sum(x * y, -1), sizes)
    counts = tf.cast(counts, tf.float64)
    return tf.reduce_sum((1 - cosines) * counts), tf.reduce_sum(counts)


def silenced(members):
    """Returns the variables that are zero once a block is removed: the
    weights' own and the biases of their layers.

    Args:
        members: List of `weights.Weight`.
    """
    biases = (getattr(w.layer, "bias", None) for w in members)
    biases = [b for b in biases if isinstance(b, keras.Variable)]
    return [*(w.variable for w in members), *biases]


def residual(model, members):
    """Returns a list of whether each block is exactly the identity once its
    weights are zero.

    Args:
        model: A built Keras model, wrapped or not.
        members: `ByIdentity` from each block to its list of `weights.Weight`.
    """
    variables = [v for found in members.values() for v in silenced(found)]
    zeros = [(v, tf.zeros(v.shape, v.dtype)) for v in variables]
    model = weights.find(model).model
    (x, _), same = made_up.taken(model), identity.ByIdentity()

    def observe(layer, call, args, kwargs):
        outputs = call(*args, **kwargs)
        if layer in members:
            x, y = signals(args, kwargs, outputs)
            handed_on = x is not None and np.array_equal(x, y)
            same[layer] = same.get(layer, True) and handed_on
        return outputs

    layers = keras_internals.all_layers(model)
    with (
        keras_internals.stateless(model, zeros),
        keras_internals.observed(layers),
        keras_internals.observing(observe),
    ):
        keras_internals.infer(model, *x)
    return [same.get(block, False) for block in members]
