"""Supermasks: a learned keep probability per weight (Zhou et al., 2019).

https://arxiv.org/abs/1905.01067
"""

import keras
import numpy as np
import tensorflow as tf

from kprune.learned.freezing import freeze
from kprune.learned.learned_mask import LearnedMask
from kprune.runtime import checks, seeds
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


@checked(rescale=checks.boolean, round_mask=checks.boolean)
def supermask(
    model,
    *,
    weights="signed_std",
    rescale=True,
    round_mask=False,
    biases="keep",
    exclude=(),
    seed=0,
):
    """Returns the model with a trained chance of each weight to be kept.

        w_eff = w * m,  m ~ Bernoulli(sigmoid(a)),  all a = 0 to begin with

    drawn anew in each step, at test time too; the gradient reaches `a` as if
    m were sigmoid(a). How many are kept is an outcome: see
    `kprune.learned.sparsity`. `kprune.strip` keeps what has a chance of one
    half or more; `kprune.learned.to_masked` can draw instead.

    The paper freezes weights at Glorot's normal draws or at their standard
    deviation with the signs kept, and trains a fully connected network of
    MNIST, scaled to [0, 1], with SGD (momentum 0.9, learning rate 100, 2000
    epochs in batches of 250). It tells the mean of ten draws.

    Args:
        model: A built Keras model without masks. It is left as it was.
        weights: What the weights are frozen at, as for
            `kprune.learned.edge_popup`.
        rescale: Whether to multiply what is kept by size / sum of m, the
            paper's dynamic weight rescaling.
        round_mask: Whether to keep what has a chance of one half or more, in
            training too, instead of drawing.
        biases, exclude, seed: As for `kprune.learned.edge_popup`. The draws
            of masks follow from the seed, too.

    Returns:
        A Keras model to compile and fit, compiled alike with a fresh
        optimizer if `model` is compiled.

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
    """Keeps each entry of a weight with a trained chance.

    Args:
        rescale, round_mask: As for `kprune.learned.supermask`.
        seed: Integer, of the draws.

    Example:

    >>> part = kprune.learned.Supermask(round_mask=True)
    >>> part.build((4,))
    >>> _ = part.logits.assign([-2.0, 1.0, 2.0, -0.5])
    >>> part(keras.ops.array([1.0, 2.0, 3.0, 4.0])).numpy().tolist()
    [0.0, 4.0, 6.0, 0.0]
    """

    options = ("rescale", "round_mask", "seed")

    def __init__(self, rescale=True, round_mask=False, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.rescale = bool(rescale)
        self.round_mask = bool(round_mask)
        self.seed = seed

    def build(self, input_shape):
        self.logits = self.add_weight(
            shape=input_shape, initializer="zeros", name="logits"
        )
        self.noise = keras.random.SeedGenerator(self.seed)

    def call(self, w):
        w = tf.cast(w, self.variable_dtype)
        chance = tf.sigmoid(tf.convert_to_tensor(self.logits))
        if self.round_mask:
            mask = chance >= 0.5
        else:
            made = {"dtype": self.variable_dtype, "seed": self.noise}
            mask = chance > keras.random.uniform(self.logits.shape, **made)
        # The second term is 0, and carries the gradient.
        m = tf.cast(mask, w.dtype) + (chance - tf.stop_gradient(chance))
        return self.values(tf.stop_gradient(w), m)

    def values(self, w, mask):
        if not self.rescale:
            return w * mask
        kept = tf.maximum(tf.reduce_sum(mask), 1)  # Where nothing is kept.
        return w * mask * (float(np.prod(w.shape)) / kept)

    def kept_mask(self, rng=None):
        chance = self._chance()
        if rng is None:
            return chance >= 0.5
        return chance > rng.random(chance.shape)

    def expected_kept(self):
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
