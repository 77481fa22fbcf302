"""STR: the soft threshold, its gradient, and what it learns."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from lifecycle import normal, two_layers
from networks import CE, sequential

import kprune
from kprune.learned import SoftThreshold


def thresholds(model):
    return [v for v in model.trainable_variables if v.name == "threshold"]


def test_the_layer_computes_with_shrunken_weights():
    dense = keras.layers.Dense(1, use_bias=False, name="fc")
    model = sequential((3,), dense, values=[[[-2.0], [0.25], [1.0]]])
    model = kprune.learned.soft_threshold(model, initial=0.0)

    # sigmoid(0) = 1/2, so the weights are [-1.5, 0, 0.5].
    outputs = model(np.array([[1.0, 1.0, 1.0], [2.0, 5.0, 4.0]]))
    np.testing.assert_array_equal(outputs, [[-1.0], [-1.0]])
    assert kprune.learned.zeros(model) == {"fc/kernel": 1}
    assert kprune.learned.sparsity(model) == 1 / 3


def test_gradients_by_hand():
    part = SoftThreshold(initial=0.0)
    w = tf.Variable([-2.0, 0.25, 1.0])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(part(w) * [1.0, 10.0, 3.0])
    by_weight, by_threshold = tape.gradient(loss, [w, part.threshold.value])

    # Entries above the threshold pass their gradient on; the threshold gets
    # -sigmoid'(0) = -1/4 times sign(w) times it: -1/4 (-1 + 3).
    np.testing.assert_array_equal(by_weight, [1, 0, 3])
    np.testing.assert_allclose(by_threshold, -0.5)


def test_gradient_by_finite_differences(float64):
    model = kprune.learned.soft_threshold(two_layers(), initial=-1.0)
    x, y = normal(16, 4).astype("float64"), normal(16, 2).astype("float64")
    found = thresholds(model)

    def loss():
        return tf.reduce_mean((model(x) - y) ** 2)

    with tf.GradientTape() as tape:
        value = loss()
    gradients = tape.gradient(value, [v.value for v in found])
    for variable, gradient in zip(found, gradients, strict=True):
        assert variable.dtype == "float64"
        sides = []
        for step in (1e-6, -1e-6):
            variable.assign_add(step)
            sides.append(float(loss()))
            variable.assign_add(-step)
        slope = (sides[0] - sides[1]) / 2e-6
        assert abs(slope) > 1e-3
        np.testing.assert_allclose(gradient, slope, rtol=1e-6)


def test_weight_decay_alone_raises_a_threshold_that_is_flat():
    model = kprune.learned.soft_threshold(two_layers(), initial=-3200)
    optimizer = kprune.training.TorchSGD(0.5, weight_decay=0.1)
    model.compile(optimizer, "mse", run_eagerly=True)
    model.fit(normal(8, 4), normal(8, 2), batch_size=4, epochs=1, verbose=0)

    # Two steps, each times 1 - 0.5 * 0.1.
    for variable in thresholds(model):
        np.testing.assert_allclose(variable, -3200 * 0.95**2, rtol=1e-6)


def test_digits_become_sparse():
    train, test = kprune.datasets.load("digits", batch_size=32)
    model = sequential(
        (8, 8, 1),
        keras.layers.Flatten(name="flat"),
        keras.layers.Dense(64, activation="relu", name="a"),
        keras.layers.Dense(10, name="b"),
    )
    model = kprune.learned.soft_threshold(model, initial=-4.0)
    model.compile(
        kprune.training.TorchSGD(0.2, momentum=0.9, weight_decay=3e-3),
        CE,
        metrics=["accuracy"],
    )
    logger = kprune.learned.SparsityLogger()
    history = model.fit(train, epochs=3, verbose=0, callbacks=[logger]).history

    assert history["sparsity"] == sorted(history["sparsity"])
    assert history["sparsity"][-1] == kprune.learned.sparsity(model) > 0.4
    assert model.evaluate(test, verbose=0)[1] > 0.9


@pytest.mark.parametrize("initial", [None, "-5", float("nan"), True])
def test_a_wrong_start_is_refused(initial):
    with pytest.raises(ValueError, match=r"`initial`.*finite number.*Received"):
        kprune.learned.soft_threshold(two_layers(), initial)
