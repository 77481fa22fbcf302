"""Scores against finite differences of the loss, in float64.

The loss here is stock Keras', with its own first derivatives where inner
steps need them; nothing of it goes through kprune's objective.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import sequential

import kprune
from kprune.scoring.objective import Objective

pytestmark = pytest.mark.usefixtures("float64")
STEP = 1e-5


def network():
    """Smooth everywhere, so that differences mean something."""
    layers = keras.layers
    return sequential(
        (6, 6, 2),
        layers.Conv2D(3, 3, strides=2, use_bias=False, name="conv"),
        layers.BatchNormalization(name="bn"),
        layers.Activation("softplus"),
        layers.Flatten(),
        layers.Dense(5, activation="tanh", name="fc1"),
        layers.Dense(3, name="fc2"),
        seed=3,
    )


def data(batches=4):
    rng = np.random.default_rng(2)
    return [
        (rng.normal(size=(7, 6, 6, 2)), rng.integers(0, 3, 7))
        for _ in range(batches)
    ]


def cross_entropy():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


class Loss:
    """Stock Keras' loss of a model at other values of its variables."""

    def __init__(self, model):
        self._model = model
        self._loss = cross_entropy()
        self.variables = list(model.trainable_variables)
        self._names = {"conv/kernel": 0, "fc1/kernel": 3, "fc2/kernel": 5}
        for name, place in self._names.items():
            assert self.variables[place].path.endswith(name)

    def values(self, gate=None):
        """Values of the variables, one entry of one multiplied by a gate."""
        values = [np.array(v) for v in self.variables]
        if gate is not None:
            name, place, factor = gate
            values[self._names[name]].ravel()[place] *= factor
        return values

    def at(self, values, batch):
        mapping = list(zip(self.variables, values, strict=True))
        with keras.StatelessScope(mapping):
            return self._loss(batch[1], self._model(batch[0], training=True))

    def gradient(self, values, batch):
        values = [tf.constant(v) for v in values]
        with tf.GradientTape() as tape:
            tape.watch(values)
            loss = self.at(values, batch)
        return [np.array(g) for g in tape.gradient(loss, values)]


def entries():
    rng = np.random.default_rng(5)
    sizes = {"conv/kernel": 54, "fc1/kernel": 60, "fc2/kernel": 15}
    return [
        (name, int(place))
        for name, size in sizes.items()
        for place in rng.choice(size, 4, replace=False)
    ]


def central(function, step=STEP):
    return (function(1 + step) - function(1 - step)) / (2 * step)


def check(scores, of_gate, tolerance=1e-6):
    """Compares scores of some entries with a function of (name, place)."""
    largest = max(np.abs(s).max() for s in scores.values())
    for name, place in entries():
        ours = scores[name].ravel()[place]
        np.testing.assert_allclose(
            ours, of_gate(name, place), rtol=0, atol=tolerance * largest
        )


def score(name, model, batches=1, **options):
    return kprune.score(
        model, name, data=data(batches), loss=cross_entropy(), **options
    )


def test_first_order_scores_are_the_change_of_the_loss_by_a_gate():
    model, (batch,) = network(), data(1)
    loss = Loss(model)

    def change(name, place):
        return central(
            lambda c: float(loss.at(loss.values((name, place, c)), batch))
        )

    check(score("snip", model), lambda n, i: abs(change(n, i)))
    check(score("taylor", model), lambda n, i: change(n, i) ** 2)
    check(score("skeletonization", model), lambda n, i: -change(n, i))


def test_grasp_is_half_the_change_of_the_squared_gradient():
    """d/de 1/2 |g(w - e w_i)|^2 = -w_i (H g)_i, over the prunable weights."""
    model, (batch,) = network(), data(1)
    loss = Loss(model)

    def energy(gate):
        gradient = loss.gradient(loss.values(gate), batch)
        return sum((gradient[i] ** 2).sum() for i in (0, 3, 5)) / 2

    scores = score("grasp", model, temperature=1.0)
    check(scores, lambda n, i: central(lambda c: energy((n, i, c))))


def test_obd_is_half_the_second_change_of_the_loss():
    model, (batch,) = network(), data(1)
    loss = Loss(model)
    objective = Objective(model, [batch], cross_entropy())
    w = objective.weights

    largest = 0.0
    for name, place in entries():
        one = {n: np.zeros(v.shape) for n, v in w.items()}
        one[name].ravel()[place] = 1.0
        product = np.ravel(objective.hvp(w, one)[name])[place]
        value = np.ravel(w[name])[place]
        score = product * value**2 / 2
        largest = max(largest, abs(score))

        def at(c, gate=(name, place)):
            return float(loss.at(loss.values((*gate, c)), batch))

        step = 1e-3
        second = (at(1 + step) - 2 * at(1.0) + at(1 - step)) / step**2
        np.testing.assert_allclose(score, second / 2, atol=1e-6)
    assert largest > 1e-3


def test_the_hessian_is_that_of_its_products():
    model, (batch,) = network(), data(1)
    objective = Objective(model, [batch], cross_entropy())
    w = objective.weights
    hessian = objective.hessian(w)
    flat = np.concatenate([np.ravel(v) for v in w.values()])
    along = objective.hvp(w, w)
    along = np.concatenate([np.ravel(v) for v in along.values()])
    np.testing.assert_allclose(hessian @ flat, along, atol=1e-10)
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-10)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_prospr_is_the_change_of_the_loss_after_the_steps(steps, momentum):
    model, batches = network(), data(steps + 1)
    loss, rate = Loss(model), 0.2

    def after(gate):
        values = loss.values(gate)
        velocity = [np.zeros_like(v) for v in values]
        for batch in batches[:steps]:
            for i, g in enumerate(loss.gradient(values, batch)):
                velocity[i] = momentum * velocity[i] + g
                values[i] = values[i] - rate * velocity[i]
        return float(loss.at(values, batches[steps]))

    options = {
        "inner_steps": steps,
        "inner_learning_rate": rate,
        "inner_momentum": momentum,
    }
    scores = score("prospr", model, steps + 1, **options)
    check(scores, lambda n, i: abs(central(lambda c: after((n, i, c)))))

    if steps:  # Without the Hessians it is something else.
        first = score("prospr", model, steps + 1, first_order=True, **options)
        largest = max(np.abs(s).max() for s in scores.values())
        gap = np.abs(first["conv/kernel"] - scores["conv/kernel"]).max()
        assert gap > 1e-2 * largest


def test_first_order_prospr_is_the_weight_times_the_last_gradient():
    model, batches = network(), data(3)
    loss = Loss(model)
    values = loss.values()
    for batch in batches[:2]:
        gradient = loss.gradient(values, batch)
        values = [w - 0.1 * g for w, g in zip(values, gradient, strict=True)]
    last = loss.gradient(values, batches[2])[0]
    scores = score("prospr", model, 3, inner_steps=2, first_order=True)
    expected = np.abs(np.array(model.get_layer("conv").kernel) * last)
    np.testing.assert_allclose(scores["conv/kernel"], expected, rtol=1e-9)


def test_a_gate_on_a_channel_is_the_signed_sum_over_its_weights():
    model, (batch,) = network(), data(1)
    loss = Loss(model)
    scores = score("skeletonization", model)["fc1/kernel"]

    def at(c):
        values = loss.values()
        values[3][:, 2] *= c
        return float(loss.at(values, batch))

    np.testing.assert_allclose(scores[:, 2].sum(), -central(at), rtol=1e-6)
