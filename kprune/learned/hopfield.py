"""HopSupSup: masks stored in Hopfield networks (Wortsman et al., 2020).

https://arxiv.org/abs/2006.14769
"""

from collections.abc import Collection
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kprune.learned import task_inference
from kprune.learned.frozen_values import frozen_values
from kprune.learned.reparametrize import choose
from kprune.masking import cloning, weights
from kprune.runtime import checks, fit_arguments, keras_internals, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.scoring import exact_moments, losses


class HopfieldStack:
    """A network with frozen weights whose masks take constant memory.

    A task's mask m switches units: it takes the place of the scale factors of
    batch normalization. It is trained through scores s, and stored in one
    Hopfield network per layer of d units, so that memory grows with d^2 and
    not with the number of tasks:

        m = 1 if s >= 0, else 0,  dL/ds = dL/dm,  all s initially 0
        z = 2 m - 1,  h = psi z
        psi += (z z' - I - z h' - h z') / d

    Batch normalization uses the statistics of the batch, at test time as well.

    Args:
        model: A built Keras model without masks, a graph of layers whose batch
            normalizations have scale factors and whose outputs are logits. It
            is not modified.
        weights: The values to freeze the weights at, as for
            `kprune.learned.edge_popup`. Defaults to `"signed_constant"`, the
            authors'.
        exclude: Names of weights or layers, or regular expressions, to freeze
            at their values.
        seed: Integer >= 0. Defaults to 0.

    Attributes:
        net: The Keras model, with the mask used last.
        count: Integer, the number of tasks stored.

    Raises:
        ValueError: If an argument is invalid, or the model has no batch
            normalization with scale factors.

    Example:

    >>> layers = keras.layers
    >>> model = keras.Sequential([
    ...     keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(32),
    ...     layers.BatchNormalization(), layers.ReLU(), layers.Dense(10)])
    >>> stack = kprune.learned.HopfieldStack(model)
    >>> stack.train(train.take(4))
    >>> masks = stack.recover(train.take(4).map(lambda x, y: x))
    >>> [mask.shape for mask in masks.values()]
    [(32,)]
    """

    @checked(seed=checks.integer)
    def __init__(
        self,
        model: types.Model,
        *,
        weights: str = "signed_constant",
        exclude: str | Collection[str] = (),
        seed: int = 0,
    ) -> None:
        names = choose(model, exclude)
        self.net = _frozen(model, names, weights, seed)
        self._scales = {
            layer.name: layer.gamma
            for layer in keras_internals.all_layers(self.net)
            if isinstance(layer, keras.layers.BatchNormalization)
            and layer.scale
        }
        if not self._scales:
            raise ValueError(
                f"Model {model.name!r} has no batch normalization with scale "
                "factors, in whose place masks are learned."
            )
        self.count = 0
        sizes = {n: v.shape[0] for n, v in self._scales.items()}
        self._psi = {n: np.zeros((d, d)) for n, d in sizes.items()}
        self._sums = {n: np.zeros(d) for n, d in sizes.items()}

    @checked(
        data=fit_arguments.finite_dataset,
        epochs=checks.at_least(1),
        optimizer=checks.optional(fit_arguments.optimizer),
    )
    def train(
        self,
        data: tf.data.Dataset,
        *,
        epochs: int = 1,
        loss: types.Loss | None = None,
        optimizer: str | keras.optimizers.Optimizer | None = None,
    ) -> None:
        """Trains the mask of a new task and stores it.

        Args:
            data: `tf.data.Dataset` of batches (x, y).
            epochs: Integer >= 1. Defaults to 1.
            loss: A loss as for `compile`. Defaults to the cross-entropy that
                fits the outputs and labels.
            optimizer: An optimizer as for `compile`. Defaults to SGD at 0.1
                with momentum 0.9.
        """
        first: Any = next(iter(data), None)
        pair = isinstance(first, tuple) and len(first) == 2
        checks.require(pair, "data", first, "batches (x, y)")
        if loss is None:
            x, y = first
            loss = losses.infer(self.net, self.net(x), np.asarray(y))
        loss = keras.losses.get(loss)
        scores = self._variables(dict.fromkeys(self._scales, 0.0))
        by = optimizer or keras.optimizers.SGD(0.1, momentum=0.9)

        def objective(x, y):
            return tf.reduce_mean(loss(y, self._logits(x, scores)))

        step = _stepper(objective, list(scores.values()), by)
        for _ in range(epochs):
            for x, y in data:
                step(x, y)
        self._use(scores)
        for name, score in scores.items():
            z = 2.0 * (score.numpy() >= 0) - 1
            self._psi[name] = storkey(self._psi[name], z)
            self._sums[name] = self._sums[name] + z
        self.count += 1

    @checked(
        data=fit_arguments.finite_dataset,
        strength=checks.within("[0, inf)"),
        learning_rate=checks.within("(0, inf)"),
    )
    def recover(
        self,
        data: tf.data.Dataset,
        *,
        strength: float = 1.5e-3,
        learning_rate: float = 500.0,
    ) -> dict[str, np.ndarray]:
        """Recovers the mask of the task that unlabelled data come from.

            (1 - t / T) H - strength t / T sum of z' psi z / 2,  t = 1, ..., T

        SGD (momentum 0.9, L2 penalty of 1e-4) decreases this by one step per
        batch, from the mean of all stored z: at first the entropy H of the
        outputs, at the end the energy of the Hopfield networks, which draws
        the mask to a stored one. `net` then uses the recovered mask.

        Args:
            data: `tf.data.Dataset` of batches of inputs, all of one task.
            strength: Number >= 0. Defaults to 1.5e-3, the authors'.
            learning_rate: Number > 0. Defaults to 500, the authors'.

        Returns:
            Dict from the name of a batch normalization to a boolean array.

        Raises:
            ValueError: If an argument is invalid, or no task is stored.
        """
        if not self.count:
            raise ValueError("Expected a task to be trained first.")
        means = {n: s / self.count for n, s in self._sums.items()}
        scores = self._variables(means)
        psi = {n: tf.constant(p, "float32") for n, p in self._psi.items()}
        sgd = keras.optimizers.SGD(float(learning_rate), momentum=0.9)

        def objective(x, done):
            entropy = task_inference.entropy(self._logits(x, scores))
            masks = {n: _step(s) for n, s in scores.items()}
            stored = [energy(p, 2 * masks[n] - 1) for n, p in psi.items()]
            sizes = [tf.nn.l2_loss(s.value) for s in scores.values()]
            both = (1 - done) * entropy + done * strength * tf.add_n(stored)
            return both + 1e-4 * tf.add_n(sizes)

        step = _stepper(objective, list(scores.values()), sgd)
        steps = int(data.reduce(0, lambda count, _: count + 1))
        for number, x in enumerate(data, 1):
            step(x, tf.constant(number / steps, "float32"))
        return self._use(scores)

    @checked()
    def predict(self, x: Any) -> np.ndarray:
        """Returns the outputs for a batch of inputs, with the mask used last
        and the statistics of this batch."""
        scores = {n: tf.constant(v.value) - 1 for n, v in self._scales.items()}
        return self._logits(x, scores).numpy()

    def _variables(self, values):
        return {
            name: keras.Variable(
                np.broadcast_to(values[name], v.shape),
                dtype="float32",
                name=f"{name}_scores",
            )
            for name, v in self._scales.items()
        }

    def _logits(self, x, scores):
        shown = [(self._scales[n], _step(s)) for n, s in scores.items()]
        with (
            exact_moments.scoring(batch_statistics=True),
            keras_internals.stateless(self.net, shown),
        ):
            return tf.cast(self.net(x, training=False), "float32")

    def _use(self, scores):
        """Sets the masks of scores, and returns them."""
        masks = {n: s.numpy() >= 0 for n, s in scores.items()}
        for name, variable in self._scales.items():
            variable.assign(masks[name].astype("float32"))
        return masks


def storkey(psi: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Returns the weights of a Hopfield network that stores a state more.

    Args:
        psi: Array of shape (d, d).
        z: Array of d entries -1 or 1.
    """
    h = psi @ z
    crossed = np.outer(z, h)
    return psi + (np.outer(z, z) - np.eye(len(z)) - crossed - crossed.T) / len(
        z
    )


def energy(psi: Any, z: Any) -> Any:
    """Returns the energy -z' psi z / 2 of a state, a scalar tensor."""
    return -tf.reduce_sum(z * tf.linalg.matvec(psi, z)) / 2


def _step(score):
    """Returns 1 where a score is >= 0, with the gradient of the score."""
    score = tf.convert_to_tensor(score)
    mask = tf.cast(score >= 0, score.dtype)
    return tf.stop_gradient(mask - score) + score


def _stepper(objective, variables, optimizer):
    """Returns a function that runs a step of a fresh optimizer."""
    given = keras.optimizers.get(optimizer)
    optimizer = type(given).from_config(given.get_config())
    optimizer.build(variables)

    @tf.function
    def step(*arguments):
        with tf.GradientTape() as tape:
            value = objective(*arguments)
        found = tape.gradient(value, [v.value for v in variables])
        optimizer.apply(found, variables)

    return step


def _frozen(model, names, law, seed):
    """Returns a copy of the model with weights at the values of a law."""
    new = cloning.plain_copy(model)
    found = weights.prunable(new)
    for name in names:
        weight = found[name]
        weight.variable.assign(frozen_values(weight, law, seed))
    return new


METHOD = Method(
    "HopfieldStack",
    title="HopSupSup",
    formula=r"\psi \mathrel{+}= \frac{1}{d}\left(z z^\top - I - z h^\top - "
    r"h z^\top\right), \quad h = \psi z",
    call="kprune.learned.HopfieldStack(model)",
    paper="Wortsman et al., 2020",
    link="https://arxiv.org/abs/2006.14769",
    test="tests/learned/test_hopfield.py::test_a_hopfield_network_by_hand",
    deviation="a stack is not saved to files",
)
