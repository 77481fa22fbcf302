"""HopSupSup: Hopfield networks by hand, and masks that come back."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from lifecycle import assert_same, normal, values
from networks import sequential

import kprune
from kprune.learned import HopfieldStack, hopfield


def test_a_hopfield_network_by_hand():
    x, y = np.array([1.0, 1, -1, -1]), np.array([1.0, -1, 1, -1])
    one = hopfield.storkey(np.zeros((4, 4)), x)
    # (x x' - I) / 4.
    np.testing.assert_array_equal(
        4 * one,
        [[0, 1, -1, -1], [1, 0, -1, -1], [-1, -1, 0, 1], [-1, -1, 1, 0]],
    )
    # x' psi x = (16 - 4) / 4, y' psi y = (0 - 4) / 4.
    assert hopfield.energy(one, x).numpy() == -1.5
    assert hopfield.energy(one, y).numpy() == 0.5
    # As x' y = 0, h = -y / 4, and 4 times what is added is y y' (1 + 1/2) - I.
    both = hopfield.storkey(one, y)
    np.testing.assert_array_equal(
        4 * (both - one), 1.5 * np.outer(y, y) - np.eye(4)
    )


def test_stored_states_are_fixed_points():
    rng = np.random.default_rng(0)
    states = rng.choice((-1.0, 1.0), (5, 64))
    psi = np.zeros((64, 64))
    for state in states:
        psi = hopfield.storkey(psi, state)
    for state in states:
        np.testing.assert_array_equal(np.sign(psi @ state), state)
        noisy = state * np.where(np.arange(64) < 6, -1, 1)
        assert hopfield.energy(psi, noisy) > hopfield.energy(psi, state)
        np.testing.assert_array_equal(np.sign(psi @ noisy), state)


def test_the_gradient_of_a_mask_is_that_of_its_score():
    score = tf.constant([-2.0, 0.0, 3.0])
    with tf.GradientTape() as tape:
        tape.watch(score)
        mask = hopfield._step(score)
        value = tf.reduce_sum(mask * [5.0, 6.0, 7.0])
    np.testing.assert_array_equal(mask, [0, 1, 1])
    np.testing.assert_array_equal(tape.gradient(value, score), [5, 6, 7])


def net(units=24):
    return sequential(
        (8,),
        layers.Dense(units, name="a"),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(name="relu"),
        layers.Dense(3, name="b"),
    )


def store(stack, states):
    """Stores states as if they had been learned."""
    for state in states:
        stack._psi["norm"] = hopfield.storkey(stack._psi["norm"], state)
        stack._sums["norm"] = stack._sums["norm"] + state
        stack.count += 1


def test_recovery_by_the_energy_alone():
    rng = np.random.default_rng(1)
    one, other = rng.choice((-1.0, 1.0), (2, 24))
    stack = HopfieldStack(net())
    store(stack, [one, other])
    # It starts where four of the units of a state are wrong.
    stack._sums["norm"] = 2 * one * np.where(np.arange(24) < 4, -1, 1)
    inputs = tf.data.Dataset.from_tensor_slices(np.zeros((40, 8), "f4"))
    masks = stack.recover(inputs.batch(2), strength=1e-3, learning_rate=500)
    np.testing.assert_array_equal(masks["norm"], one > 0)
    gamma = stack.net.get_layer("norm").gamma
    np.testing.assert_array_equal(gamma, one > 0)


def test_a_task_is_learned_by_masks_alone():
    keras.utils.set_random_seed(0)
    model = net(64)
    before = values(model)
    stack = HopfieldStack(model, seed=1)
    x = normal(128, 8)
    y = (x[:, 0] > 0).astype(int)
    frozen = {
        v.path: np.array(v) for v in stack.net.variables if v.name == "kernel"
    }
    untrained = np.mean(stack.predict(x).argmax(1) == y)
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(32)
    stack.train(data, epochs=8)
    assert np.mean(stack.predict(x).argmax(1) == y) > max(0.8, untrained)
    assert_same(values(model), before)
    for variable in stack.net.variables:
        if variable.name == "kernel":
            np.testing.assert_array_equal(variable, frozen[variable.path])
            assert len(np.unique(np.abs(variable))) == 1
        if variable.name == "gamma":
            assert set(np.unique(variable)) == {0, 1}
    assert stack.count == 1


def test_what_does_not_fit_is_refused():
    plain = sequential((8,), layers.Dense(3, name="fc"))
    with pytest.raises(ValueError, match="no batch normalization"):
        HopfieldStack(plain)
    stack = HopfieldStack(net())
    inputs = tf.data.Dataset.from_tensors(normal(4, 8))
    with pytest.raises(ValueError, match="Expected a task to be trained"):
        stack.recover(inputs)
    with pytest.raises(ValueError, match="`strength`"):
        stack.recover(inputs, strength=-1)
    with pytest.raises(ValueError, match="Did you mean 'keep'"):
        HopfieldStack(net(), weights="kep")


@pytest.mark.slow
def test_masks_of_split_digits_come_back_from_inputs_alone():
    keras.utils.set_random_seed(0)
    units = [
        layer
        for name in ("a", "b")
        for layer in (
            layers.Dense(256, use_bias=False, name=name),
            layers.BatchNormalization(center=False, name=f"norm_{name}"),
            layers.Activation("swish", name=f"swish_{name}"),
        )
    ]
    fc = layers.Dense(10, use_bias=False, name="fc")
    stack = HopfieldStack(sequential((64,), *units, fc))
    train, test = kprune.datasets.load_arrays("digits")

    def of(task, data):
        """Returns the images of two digits, and which of both they are."""
        x, y = data
        there = y // 2 == task
        return x[there].reshape(-1, 64), y[there] % 2

    masks = []
    for task in range(3):
        data = tf.data.Dataset.from_tensor_slices(of(task, train))
        stack.train(data.shuffle(2000, seed=task).batch(32), epochs=6)
        scales = [v for v in stack.net.variables if v.name == "gamma"]
        masks.append([v.numpy() > 0 for v in scales])
    for task in range(3):
        inputs = tf.data.Dataset.from_tensor_slices(of(task, train)[0])
        data = inputs.shuffle(2000, seed=5).repeat(2).batch(8, True)
        found = list(stack.recover(data).values())
        alike = [
            np.mean([np.mean(a == b) for a, b in zip(m, found, strict=True)])
            for m in masks
        ]
        # Any two of the masks share about two thirds of their units.
        assert alike[task] > 0.9 > 0.8 > np.delete(alike, task).max()
        x, y = of(task, test)
        assert np.mean(stack.predict(x).argmax(1) == y) > 0.95
