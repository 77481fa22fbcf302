"""Scores against finite differences of the loss, in float64.

The loss here is stock Keras', with its own first derivatives where inner
steps need them; nothing of it goes through kprune's objective.
"""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import sequential

from kprune.pruning import criteria
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


def data(batches):
    rng = np.random.default_rng(2)
    return [
        (rng.normal(size=(7, 6, 6, 2)), rng.integers(0, 3, 7))
        for _ in range(batches)
    ]


def cross_entropy():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@functools.cache
def on_all_batches():
    return Objective(network(), data(4), cross_entropy())


def objective(batches=1):
    """Returns kprune's objective on the first batches. All share its traces."""
    return on_all_batches().on(*range(batches))


PLACES = {"conv/kernel": 0, "fc1/kernel": 3, "fc2/kernel": 5}


@functools.cache
def stock():
    """Returns the model whose loss stock Keras computes, and its variables."""
    model = network()
    for name, place in PLACES.items():
        assert model.trainable_variables[place].path.endswith(name)
    return model, list(model.trainable_variables)


def values_of(gate=None):
    """Values of the variables, one entry of one multiplied by a gate."""
    values = [np.array(v) for v in stock()[1]]
    if gate is not None:
        name, place, factor = gate
        values[PLACES[name]].ravel()[place] *= factor
    return values


def loss_at(values, batch):
    model, variables = stock()
    with keras.StatelessScope(list(zip(variables, values, strict=True))):
        return cross_entropy()(batch[1], model(batch[0], training=True))


def gradient_at(values, batch):
    values = [tf.constant(v) for v in values]
    with tf.GradientTape() as tape:
        tape.watch(values)
        loss = loss_at(values, batch)
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
        gap = scores[name].ravel()[place] - of_gate(name, place)
        assert abs(gap) < tolerance * largest


def score(name, batches=1, **options):
    ours = objective(batches)
    criterion = criteria.get(name, **options)
    scores = criterion(ours, ours.weights, ours.masks)
    return {name: np.asarray(array) for name, array in scores.items()}


def test_first_order_scores_are_the_change_of_the_loss_by_a_gate():
    (batch,) = data(1)

    @functools.cache
    def change(*place):
        return central(lambda c: float(loss_at(values_of((*place, c)), batch)))

    check(score("snip"), lambda n, i: abs(change(n, i)))
    check(score("taylor"), lambda n, i: change(n, i) ** 2)
    check(score("skeletonization"), lambda n, i: -change(n, i))


def test_grasp_is_half_the_change_of_the_squared_gradient():
    """d/de 1/2 |g(w - e w_i)|^2 = -w_i (H g)_i, over the prunable weights."""
    (batch,) = data(1)

    def energy(gate):
        gradient = gradient_at(values_of(gate), batch)
        return sum((gradient[i] ** 2).sum() for i in (0, 3, 5)) / 2

    scores = score("grasp", temperature=1.0)
    check(scores, lambda n, i: central(lambda c: energy((n, i, c))))


def test_obd_is_half_the_second_change_of_the_loss():
    (batch,) = data(1)
    ours, step = objective(), 1e-3
    w = ours.weights

    def at(*gate):
        return float(loss_at(values_of(gate), batch))

    largest = 0.0
    for name, place in entries():
        one = {n: np.zeros(v.shape) for n, v in w.items()}
        one[name].ravel()[place] = 1.0
        product = np.ravel(ours.hvp(w, one)[name])[place]
        score = product * np.ravel(w[name])[place] ** 2 / 2
        largest = max(largest, abs(score))
        up, here, down = (at(name, place, c) for c in (1 + step, 1, 1 - step))
        second = (up - 2 * here + down) / step**2
        np.testing.assert_allclose(score, second / 2, atol=1e-6)
    assert largest > 1e-3


def test_the_hessian_is_that_of_its_products():
    w = objective().weights
    hessian = objective().hessian(w)
    flat, along = (
        np.concatenate([np.ravel(v) for v in values.values()])
        for values in (w, objective().hvp(w, w))
    )
    np.testing.assert_allclose(hessian @ flat, along, atol=1e-10)
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-10)


@pytest.mark.parametrize(
    "steps, momentum", [(0, 0.0), (1, 0.0), (3, 0.0), (3, 0.9)]
)
def test_prospr_is_the_change_of_the_loss_after_the_steps(steps, momentum):
    batches, rate = data(steps + 1), 0.2

    def after(gate):
        values = values_of(gate)
        velocity = [np.zeros_like(v) for v in values]
        for batch in batches[:steps]:
            for i, g in enumerate(gradient_at(values, batch)):
                velocity[i] = momentum * velocity[i] + g
                values[i] = values[i] - rate * velocity[i]
        return float(loss_at(values, batches[steps]))

    options = {
        "inner_steps": steps,
        "inner_learning_rate": rate,
        "inner_momentum": momentum,
    }
    scores = score("prospr", steps + 1, **options)
    check(scores, lambda n, i: abs(central(lambda c: after((n, i, c)))))

    if steps:  # Without the Hessians it is something else.
        first = score("prospr", steps + 1, first_order=True, **options)
        largest = max(np.abs(s).max() for s in scores.values())
        gap = np.abs(first["conv/kernel"] - scores["conv/kernel"]).max()
        assert gap > 1e-2 * largest


def test_first_order_prospr_is_the_weight_times_the_last_gradient():
    first, last = data(2)
    start = values_of()
    steps = zip(start, gradient_at(start, first), strict=True)
    gradient = gradient_at([w - 0.1 * g for w, g in steps], last)
    scores = score("prospr", 2, inner_steps=1, first_order=True)
    expected = np.abs(start[0] * gradient[0])
    np.testing.assert_allclose(scores["conv/kernel"], expected, rtol=1e-9)
