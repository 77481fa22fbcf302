"""The common base of edge-popup, biprop and supermask."""

import math

import keras
import tensorflow as tf

from kprune.learned.exact_top_k import exact_top_k
from kprune.learned.reparametrized import Reparametrization
from kprune.runtime import seeds


class LearnedMask(Reparametrization):
    """Keeps entries of a weight that does not change, by a trained variable.

    A subclass makes the variable in `build` and defines `call`, `kept_mask`,
    `expected_kept` and, if what is kept is not the weight as it is, `values`.
    """

    def values(self, w, mask):
        """Returns what the layer computes with, zeros included, of a weight
        and a mask of 0 and 1, tensors."""
        return w * mask

    def kept_mask(self, rng=None):
        """Returns what is kept, a boolean array, drawn by `rng` if at all."""
        raise NotImplementedError

    def expected_kept(self):
        """Returns how many entries are kept, in the mean."""
        raise NotImplementedError

    def effective(self, w, rng=None):
        """Returns the weight that is left, a tensor, and its mask."""
        w = tf.cast(w, self.variable_dtype)
        mask = self.kept_mask(rng)
        return self.values(w, tf.cast(mask, w.dtype)), mask


class TopK(LearnedMask):
    """Keeps the k entries of the highest |score|, in a straight-through way.

        w_eff = values(w, top_k(|s|))
        dL/ds = dL/dw_eff * w * sign(s)

    Args:
        kept: Integer, how many entries are kept to begin with.
        fan_in: Integer, the inputs of a unit: scores begin as draws from
            U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)).
        seed: Integer >= 0, for these.
    """

    options = ("kept", "fan_in", "seed")

    def __init__(self, kept, fan_in, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.kept = int(kept)
        self.fan_in = int(fan_in)
        self.seed = seed

    def build(self, input_shape):
        size = math.prod(input_shape)
        if not 0 <= self.kept <= size or self.fan_in < 1:
            raise ValueError(
                f"Expected `kept` from 0 to the {size} entries of the weight "
                f"and `fan_in` of 1 or more. Received: kept={self.kept}, "
                f"fan_in={self.fan_in}"
            )
        cast = keras.ops.cast
        self.scores = self.add_weight(
            shape=input_shape,
            initializer=lambda shape, dtype: cast(self.draw(shape), dtype),
            name="scores",
        )
        self.count = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(self.kept),
            dtype="int64",
            trainable=False,
            name="count",
        )

    def draw(self, shape, *names):
        """Returns fresh scores, an array: others for other names."""
        limit = self.fan_in**-0.5
        rng = seeds.stream(self.seed, "scores", *names)
        return rng.uniform(-limit, limit, tuple(shape))

    def call(self, w):
        w = tf.cast(w, self.variable_dtype)
        strength = tf.abs(tf.convert_to_tensor(self.scores))
        mask = tf.cast(exact_top_k(strength, self.count.value), w.dtype)
        # The second term is 0, and carries the gradient.
        return tf.stop_gradient(self.values(w, mask)) + tf.stop_gradient(w) * (
            strength - tf.stop_gradient(strength)
        )

    def kept_mask(self, rng=None):
        del rng
        strength = tf.abs(tf.convert_to_tensor(self.scores))
        return exact_top_k(strength, self.count.value).numpy()

    def expected_kept(self):
        return int(self.count.numpy())
