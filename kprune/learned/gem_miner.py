"""Gem-Miner: trainable tickets at initialization (Sreenivasan et al., 2022).

https://arxiv.org/abs/2202.12002
"""

from collections.abc import Collection, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kprune.learned.freezing import freeze
from kprune.learned.learned_mask import LearnedMask
from kprune.learned.selected import choices
from kprune.masking import masks
from kprune.runtime import checks, seeds, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


@checked(strength=checks.within("[0, inf)"))
def gem_miner(
    model: types.Model,
    *,
    strength: float = 1e-4,
    weights: str = "keep",
    biases: str = "keep",
    exclude: str | Collection[str] = (),
    seed: int = 0,
) -> types.Model:
    """Returns a model that learns which frozen weights to keep (Gem-Miner).

        w_eff = w * alive * round(p),  round(p) = 1 if p > 1/2, else 0
        dL/dp = dL/dw_eff * w * alive
        loss += strength * sum of p^2,  p clipped to [0, 1] after each step

    The scores p are initialized from U(0, 1), and all weights are `alive`.
    Train it with the callback `kprune.learned.GemMiner`, which removes the
    weights of low scores step by step. Without the callback the sparsity is an
    outcome. The ticket, `kprune.learned.to_masked`, is then trained from the
    frozen weights.

    The authors freeze ResNet-20 at `"signed_constant"` and train the scores on
    CIFAR-10 with SGD (momentum 0.9, learning rate 0.1 on a cosine, 150 epochs
    in batches of 128, no weight decay).

    Args:
        model: A built Keras model without masks. It is not modified.
        strength: Number >= 0, of the penalty on the scores. Defaults to 1e-4.
        weights: The values to freeze the weights at, as for
            `kprune.learned.edge_popup`. Defaults to `"keep"`.
        biases, exclude, seed: As for `kprune.learned.edge_popup`.

    Returns:
        A Keras model to fit, compiled like `model` with a fresh optimizer if
        `model` is compiled.

    Raises:
        ValueError: As `kprune.learned.edge_popup`.

    Example:

    >>> net = kprune.learned.gem_miner(model)
    >>> 0.45 < kprune.learned.sparsity(net) < 0.55
    True
    """

    def make(in_model, weight, **made):
        del weight
        own = seeds.stream(seed, "choice", in_model).integers(2**31)
        return Gem(float(strength), seed=int(own), **made)

    return freeze(
        model, make, (weights, 1.0), seed=seed, biases=biases, exclude=exclude
    )


@keras.saving.register_keras_serializable("kprune")
class UnitInterval(keras.constraints.Constraint):
    """Clips a variable to [0, 1]."""

    def __call__(self, w: Any) -> Any:
        return keras.ops.clip(w, 0, 1)


@keras.saving.register_keras_serializable("kprune")
class Gem(LearnedMask):
    """Keeps the entries of a weight that are alive and have a score > 1/2.

    Args:
        strength: Number >= 0, as for `kprune.learned.gem_miner`.
        seed: Integer, for the scores. Defaults to 0.
        **kwargs: Arguments of a Keras layer.

    Example:

    >>> part = kprune.learned.Gem(strength=0.0)
    >>> part.build((3,))
    >>> _ = part.scores.assign([0.2, 0.6, 0.9])
    >>> _ = part.alive.assign([True, True, False])
    >>> part(keras.ops.array([1.0, 2.0, 3.0])).numpy().tolist()
    [0.0, 2.0, 0.0]
    """

    options = ("strength", "seed")

    def __init__(
        self, strength: float = 1e-4, seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.strength = strength
        self.seed = seed

    def build(self, input_shape: Sequence[int]) -> None:
        rng = seeds.stream(self.seed, "scores")
        drawn = rng.random(tuple(input_shape))
        penalty = keras.regularizers.L2(self.strength)
        self.scores = self.add_weight(
            shape=input_shape,
            initializer=lambda shape, dtype: keras.ops.cast(drawn, dtype),
            regularizer=penalty if self.strength else None,
            constraint=UnitInterval(),
            name="scores",
        )
        self.alive = self.add_weight(
            shape=input_shape,
            initializer="ones",
            dtype="bool",
            trainable=False,
            name="alive",
        )

    def call(self, w: Any) -> Any:
        w = tf.stop_gradient(tf.cast(w, self.variable_dtype))
        scores = tf.convert_to_tensor(self.scores)
        alive = tf.cast(self.alive.value, w.dtype)
        rounded = tf.cast(scores > 0.5, w.dtype)
        # The second term is 0 and carries the gradient of the scores.
        kept = rounded + (scores - tf.stop_gradient(scores))
        return self.values(w, alive * kept)

    def kept_mask(self, rng: np.random.Generator | None = None) -> np.ndarray:
        del rng
        return self._alive() & (self._scores() > 0.5)

    def expected_kept(self) -> int:
        return int(np.count_nonzero(self.kept_mask()))

    def _alive(self):
        return keras.ops.convert_to_numpy(self.alive)

    def _scores(self):
        return keras.ops.convert_to_numpy(self.scores)


class GemMiner(keras.callbacks.Callback):
    """Removes weights of low scores for good, step by step (Gem-Miner).

        kept after removal j of n  =  round((1 - sparsity)^(j / n) size)

    After the epochs `every`, `2 every` and so on, counted from 0, the weights
    of the lowest scores among those alive, over all weight tensors, are no
    longer alive.

    Args:
        sparsity: Final share of the weights to remove, in [0, 1). It is
            exact with `restore`; without, rounding leaves out more.
        every: Integer >= 1, epochs. Defaults to 5, the authors'.
        restore: Whether to set the scores of the weights that are alive to 1
            when training ends, so that the ticket has all of them. Defaults to
            `True`, as in the authors' configuration.
        seed: Integer >= 0, for ties: many scores are clipped to 0. Defaults
            to 0.

    Raises:
        ValueError: If an argument is invalid; when training begins, if the
            model is not one of `gem_miner` or has no removal in its epochs.

    Example:

    >>> net = kprune.select(model, "gem_miner")
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> net.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss)
    >>> mining = kprune.learned.GemMiner(0.75, every=1)
    >>> history = net.fit(
    ...     train.take(2), epochs=3, callbacks=[mining], verbose=0)
    >>> round(kprune.learned.sparsity(net), 3)
    0.75
    """

    @checked(
        sparsity=checks.sparsity,
        every=checks.at_least(1),
        restore=checks.boolean,
        seed=checks.integer,
    )
    def __init__(
        self,
        sparsity: float,
        every: int = 5,
        *,
        restore: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.sparsity = sparsity
        self.every = every
        self.restore = restore
        self._seed = seed

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        parts = self._parts()
        if not parts or not all(isinstance(part, Gem) for part in parts):
            raise ValueError(
                "Expected a model of `kprune.learned.gem_miner`. Received: "
                f"{self.model.name!r}."
            )
        epochs = self.params["epochs"]
        self._removals = (epochs - 1) // self.every
        if not self._removals:
            raise ValueError(
                f"Training has {epochs} epochs. Expected more than "
                f"`every`={self.every}, after which weights are first removed."
            )

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        done, rest = divmod(epoch, self.every)
        if done and not rest:
            self._remove(done)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.restore:
            for part in self._parts():
                part.scores.assign(np.where(part._alive(), 1, part._scores()))

    def _parts(self):
        return [part for *_, part in choices(self.model)]

    def _remove(self, number):
        parts = self._parts()
        # The scores are in [0, 1], so that what is gone comes last.
        ranked = [
            np.where(part._alive(), part._scores(), -1).ravel()
            for part in parts
        ]
        ends = np.cumsum([len(one) for one in ranked])
        joined = np.concatenate(ranked)
        left = (1 - self.sparsity) ** (number / self._removals)
        rng = seeds.stream(self._seed, "gem_miner", number)
        count = masks.count_kept(joined.size, 1 - left)
        kept = masks.top_k(joined, count, rng)
        for part, one in zip(parts, np.split(kept, ends[:-1]), strict=True):
            part.alive.assign(one.reshape(part.alive.shape))


METHOD = Method(
    "gem_miner",
    title="Gem-Miner",
    formula=r"\tilde{w} = w \odot a \odot \mathbf{1}[p > \tfrac{1}{2}], \quad "
    r"\frac{\partial L}{\partial p} = \frac{\partial L}{\partial "
    r"\tilde{w}} \odot w \odot a, \quad p \in [0, 1]",
    call='kprune.select(model, "gem_miner")',
    paper="Sreenivasan et al., 2022",
    link="https://arxiv.org/abs/2202.12002",
    test="tests/learned/test_gem_miner.py::test_steps_by_hand",
    deviation="removal counts are exact, where the authors' code removes all "
    "that ties with the threshold",
    build=gem_miner,
)
