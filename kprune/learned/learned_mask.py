"""The common base of edge-popup, biprop and supermask."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kprune.learned.exact_top_k import exact_top_k
from kprune.learned.reparametrized import Reparametrization
from kprune.runtime import seeds


class LearnedMask(Reparametrization):
    """Base of the parts that select entries of a frozen weight.

    A subclass creates the trained variable in `build` and defines `call`,
    `kept_mask`, `expected_kept` and, if kept entries change their values,
    `values`.
    """

    def values(self, w: Any, mask: Any) -> Any:
        """Returns the masked weight that the layer computes with.

        Args:
            w: The weight, a tensor.
            mask: Tensor of 0 and 1 of the shape and dtype of `w`.
        """
        return w * mask

    def kept_mask(self, rng: np.random.Generator | None = None) -> np.ndarray:
        """Returns a boolean array of the kept entries.

        `rng` draws them if the choice is random; without it, it is not.
        """
        raise NotImplementedError

    def expected_kept(self) -> float:
        """Returns the expected number of kept entries."""
        raise NotImplementedError

    def effective(
        self, w: Any, rng: np.random.Generator | None = None
    ) -> tuple[Any, np.ndarray]:
        """Returns the masked weight, a tensor, and its mask, an array."""
        w = tf.cast(w, self.variable_dtype)
        mask = self.kept_mask(rng)
        return self.values(w, tf.cast(mask, w.dtype)), mask


class TopK(LearnedMask):
    """Keeps the k entries of the highest |score|, with straight-through
    gradients.

        w_eff = values(w, top_k(|s|))
        dL/ds = dL/dw_eff * w * sign(s)

    Args:
        kept: Integer, the initial number of kept entries.
        fan_in: Integer >= 1, the number of inputs of a unit. Scores are
            initialized from U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)).
        seed: Integer >= 0, for the scores. Defaults to 0.
        **kwargs: Arguments of a Keras layer.
    """

    options = ("kept", "fan_in", "seed")

    def __init__(
        self, kept: int, fan_in: int, seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.kept = int(kept)
        self.fan_in = int(fan_in)
        self.seed = seed

    def build(self, input_shape: Sequence[int]) -> None:
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

    def draw(self, shape: Sequence[int], *names: str) -> np.ndarray:
        """Returns initial scores, an array; `names` select the draw."""
        limit = self.fan_in**-0.5
        rng = seeds.stream(self.seed, "scores", *names)
        return rng.uniform(-limit, limit, tuple(shape))

    def call(self, w: Any) -> Any:
        w = tf.cast(w, self.variable_dtype)
        strength = tf.abs(tf.convert_to_tensor(self.scores))
        mask = tf.cast(exact_top_k(strength, self.count.value), w.dtype)
        # The second term is 0 and carries the gradient of the scores.
        return tf.stop_gradient(self.values(w, mask)) + tf.stop_gradient(w) * (
            strength - tf.stop_gradient(strength)
        )

    def kept_mask(self, rng: np.random.Generator | None = None) -> np.ndarray:
        del rng
        strength = tf.abs(tf.convert_to_tensor(self.scores))
        return exact_top_k(strength, self.count.value).numpy()

    def expected_kept(self) -> int:
        return int(self.count.numpy())
