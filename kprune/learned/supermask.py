"""Supermasks: a learned keep probability per weight (Zhou et al., 2019).

https://arxiv.org/abs/1905.01067
"""

from collections.abc import Collection, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kprune.learned.freezing import freeze
from kprune.learned.learned_mask import LearnedMask
from kprune.runtime import checks, seeds, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


@checked(rescale=checks.boolean, round_mask=checks.boolean)
def supermask(
    model: types.Model,
    *,
    weights: str = "signed_std",
    rescale: bool = True,
    round_mask: bool = False,
    biases: str = "keep",
    exclude: str | Collection[str] = (),
    seed: int = 0,
) -> types.Model:
    """Returns a model with a trained keep probability of each frozen weight.

        w_eff = w * m,  m ~ Bernoulli(sigmoid(a)),  all a initially 0

    Masks are drawn in each step, at test time as well; the gradient reaches
    `a` as if m were sigmoid(a). The sparsity is an outcome: see
    `kprune.learned.sparsity`. `kprune.strip` keeps weights with a probability
    of at least 1/2; `kprune.learned.to_masked` can draw instead.

    The paper freezes weights at draws from Glorot's normal distribution or at
    their standard deviation with the signs kept, and trains a fully connected
    network on MNIST, scaled to [0, 1], with SGD (momentum 0.9, learning rate
    100, 2000 epochs in batches of 250). It reports the mean of ten draws.

    Args:
        model: A built Keras model without masks. It is not modified.
        weights: The values to freeze the weights at, as for
            `kprune.learned.edge_popup`. Defaults to `"signed_std"`.
        rescale: Whether to multiply kept weights by size / sum of m, the
            paper's dynamic weight rescaling. Defaults to `True`.
        round_mask: Whether to keep weights with a probability of at least 1/2,
            in training as well, instead of drawing. Defaults to `False`.
        biases, exclude, seed: As for `kprune.learned.edge_popup`. The seed
            also determines the draws of masks.

    Returns:
        A Keras model to fit, compiled like `model` with a fresh optimizer if
        `model` is compiled.

    Raises:
        ValueError: As `kprune.learned.edge_popup`.

    Example:

    >>> net = kprune.learned.supermask(model)
    >>> kprune.learned.sparsity(net)
    0.5
    """

    def make(in_model, weight, **made):
        del weight
        own = seeds.stream(seed, "choice", in_model).integers(2**31)
        return Supermask(rescale, round_mask, seed=int(own), **made)

    return freeze(
        model, make, (weights, 1.0), seed=seed, biases=biases, exclude=exclude
    )


@keras.saving.register_keras_serializable("kprune")
class Supermask(LearnedMask):
    """Keeps each entry of a weight with a trained probability.

    Args:
        rescale, round_mask: As for `kprune.learned.supermask`.
        seed: Integer, for the draws. Defaults to 0.
        **kwargs: Arguments of a Keras layer.

    Example:

    >>> part = kprune.learned.Supermask(round_mask=True)
    >>> part.build((4,))
    >>> _ = part.logits.assign([-2.0, 1.0, 2.0, -0.5])
    >>> part(keras.ops.array([1.0, 2.0, 3.0, 4.0])).numpy().tolist()
    [0.0, 4.0, 6.0, 0.0]
    """

    options = ("rescale", "round_mask", "seed")

    def __init__(
        self,
        rescale: bool = True,
        round_mask: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rescale = bool(rescale)
        self.round_mask = bool(round_mask)
        self.seed = seed

    def build(self, input_shape: Sequence[int]) -> None:
        self.logits = self.add_weight(
            shape=input_shape, initializer="zeros", name="logits"
        )
        self.noise = keras.random.SeedGenerator(self.seed)

    def call(self, w: Any) -> Any:
        w = tf.cast(w, self.variable_dtype)
        chance = tf.sigmoid(tf.convert_to_tensor(self.logits))
        if self.round_mask:
            mask = chance >= 0.5
        else:
            made = {"dtype": self.variable_dtype, "seed": self.noise}
            mask = chance > keras.random.uniform(self.logits.shape, **made)
        # The second term is 0 and carries the gradient of the logits.
        m = tf.cast(mask, w.dtype) + (chance - tf.stop_gradient(chance))
        return self.values(tf.stop_gradient(w), m)

    def values(self, w: Any, mask: Any) -> Any:
        if not self.rescale:
            return w * mask
        kept = tf.maximum(tf.reduce_sum(mask), 1)  # Avoids 0 / 0.
        return w * mask * (float(np.prod(w.shape)) / kept)

    def kept_mask(self, rng: np.random.Generator | None = None) -> np.ndarray:
        chance = self._chance()
        if rng is None:
            return chance >= 0.5
        return chance > rng.random(chance.shape)

    def expected_kept(self) -> float:
        kept = self.kept_mask() if self.round_mask else self._chance()
        return float(kept.sum(dtype=np.float64))

    def _chance(self):
        return tf.sigmoid(tf.convert_to_tensor(self.logits)).numpy()


METHOD = Method(
    "supermask",
    title="supermask",
    formula=r"\tilde{w} = w \odot m, \quad m \sim "
    r"\operatorname{Bernoulli}(\sigma(a))",
    call='kprune.select(model, "supermask")',
    paper="Zhou et al., 2019",
    link="https://arxiv.org/abs/1905.01067",
    test="tests/learned/test_select.py::"
    "test_supermask_and_its_rescaling_by_hand",
    build=supermask,
)
