"""TorchSGD steps as PyTorch does.

That it holds pruned weights at zero: tests/masking/test_optimizers.py; that a
saved model goes on with it: tests/masking/test_wrapping.py.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from lifecycle import assert_same, normal, pruned_values, two_layers, values
from networks import sequential, two_replicas

import kprune
from kprune.training import learning_rates
from kprune.training.optimizers import TorchSGD


def walk(optimizer, gradients, rates=None):
    """The values of a variable after each step."""
    variable = keras.Variable(1.0)
    seen = []
    for i, gradient in enumerate(gradients):
        if rates:
            optimizer.learning_rate = rates[i]
        optimizer.apply([tf.constant(gradient)], [variable])
        seen.append(float(variable))
    return seen


@pytest.mark.parametrize(
    "options, gradients, expected",
    [
        # w = 1 - 0.1 * 2, then - 0.1 * (-1).
        ({}, [2.0, -1.0], [0.8, 0.9]),
        # g = 2 + 0.5 * 1 = 2.5, w = 0.75; g = -1 + 0.375, w = 0.8125.
        ({"weight_decay": 0.5}, [2.0, -1.0], [0.75, 0.8125]),
        # g = 1.1, v = 1.1, w = 0.89; g = 1.089, v = 0.99 + 1.089 = 2.079,
        # w = 0.89 - 0.2079 = 0.6821.
        ({"momentum": 0.9, "weight_decay": 0.1}, [1.0, 1.0], [0.89, 0.6821]),
        # Clipped before the decay: 4 becomes 1; 1 + 0.5 * 1 = 1.5.
        ({"weight_decay": 0.5, "clipnorm": 1.0}, [4.0], [0.85]),
    ],
)
def test_steps_by_hand(options, gradients, expected):
    found = walk(TorchSGD(0.1, **options), gradients)
    assert found == pytest.approx(expected)


def test_momentum_when_the_rate_drops_by_hand_or_by_a_schedule():
    # v = 1, w = 1 - 0.1; v = 1.9, w = 0.9 - 0.19; then the rate is 0.01 and
    # v = 2.71, w = 0.71 - 0.0271.
    optimizer = TorchSGD(0.1, momentum=0.9)
    found = walk(optimizer, [1.0] * 3, rates=[0.1, 0.1, 0.01])
    assert found == pytest.approx([0.9, 0.71, 0.6829])
    spec = {"name": "multi_step", "at": ["2it"], "factor": 0.1}
    schedule = learning_rates.get(spec, 0.1, 1, 3)
    scheduled = walk(TorchSGD(schedule, momentum=0.9), [1.0] * 3)
    assert scheduled == pytest.approx([0.9, 0.71, 0.6829])
    # Keras' momentum is of steps, and goes on at the old rate:
    # 0.9 * 0.19 + 0.01 = 0.181.
    keras_sgd = keras.optimizers.SGD(0.1, momentum=0.9)
    found = walk(keras_sgd, [1.0] * 3, rates=[0.1, 0.1, 0.01])
    assert found == pytest.approx([0.9, 0.71, 0.529])


def test_momentum_nesterov_and_decay_by_hand():
    # Decay 0.1, momentum 0.9, all gradients 1.
    # g = 1 + 0.1 = 1.1; v = 1.1; step 1.1 + 0.99 = 2.09; w = 1 - 0.209.
    # g = 1.0791; v = 0.99 + 1.0791 = 2.0691; step 1.0791 + 1.86219 = 2.94129;
    # w = 0.791 - 0.294129 = 0.496871.
    # At rate 0.01: g = 1.0496871; v = 1.86219 + 1.0496871 = 2.9118771;
    # step 1.0496871 + 2.62068939 = 3.67037649; w = 0.496871 - 0.0367037649.
    optimizer = TorchSGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.1)
    found = walk(optimizer, [1.0] * 3, rates=[0.1, 0.1, 0.01])
    assert found == pytest.approx([0.791, 0.496871, 0.4601672], abs=1e-6)


def test_equals_keras_at_a_constant_rate_without_decay():
    gradients = [1.0, -2.0, 0.5, 3.0]
    for nesterov in (False, True):
        options = {"momentum": 0.9, "nesterov": nesterov}
        one = walk(TorchSGD(0.1, **options), gradients)
        other = walk(keras.optimizers.SGD(0.1, **options), gradients)
        assert one == pytest.approx(other)


def test_all_trainable_variables_decay():
    dense = keras.layers.Dense(2, bias_initializer="ones")
    norm = keras.layers.BatchNormalization(beta_initializer="ones")
    model = sequential((3,), dense, norm)
    before = [v.numpy() for v in model.trainable_variables]
    assert len(before) == 4
    zeros = [tf.zeros(v.shape) for v in before]
    optimizer = TorchSGD(0.1, weight_decay=0.5)
    optimizer.apply(zeros, model.trainable_variables)
    for v, start in zip(model.trainable_variables, before, strict=True):
        np.testing.assert_allclose(v.numpy(), 0.95 * start, rtol=1e-6)


def test_variables_can_be_kept_from_decay():
    kept, decays = keras.Variable(1.0, name="beta"), keras.Variable(1.0)
    optimizer = TorchSGD(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["beta"])
    optimizer.apply([tf.constant(0.0)] * 2, [kept, decays])
    assert float(kept) == 1.0
    assert float(decays) == pytest.approx(0.95)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_gradients_of_single_rows(momentum, decay):
    rows = tf.IndexedSlices(
        tf.constant([[1.0, 2.0], [3.0, 4.0]]), [2, 2], [3, 2]
    )
    one, other = keras.Variable(normal(3, 2)), keras.Variable(normal(3, 2))
    options = {"momentum": momentum, "weight_decay": decay}
    sparse, dense = TorchSGD(0.1, **options), TorchSGD(0.1, **options)
    for _ in range(2):
        sparse.apply([rows], [one])
        dense.apply([tf.convert_to_tensor(rows)], [other])
    np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-6)


def test_round_trip():
    optimizer = TorchSGD(0.1, 0.9, True, 5e-4, clipnorm=2.0, name="mine")
    saved = keras.optimizers.serialize(optimizer)
    assert saved["registered_name"] == "kprune>TorchSGD"
    again = keras.optimizers.deserialize(saved)
    assert again.get_config() == optimizer.get_config()
    assert walk(again, [1.0, 2.0]) == walk(optimizer, [1.0, 2.0])
    config = optimizer.get_config()
    assert config["learning_rate"] == pytest.approx(0.1)
    given = {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
    assert given.items() < config.items() and config["clipnorm"] == 2.0


def test_two_replicas_step_as_one_device():
    # The decay is large, so that one that counts twice is seen.
    def trained():
        model = two_layers()
        model.set_weights([normal(*v.shape) for v in model.weights])
        model = kprune.prune(model, "magnitude", 0.5)
        model.compile(TorchSGD(0.05, 0.9, True, weight_decay=0.5), "mse")
        model.fit(normal(16, 4), normal(16, 2), 8, 3, shuffle=False, verbose=0)
        return model

    alone = trained()
    with two_replicas().scope():
        mirrored = trained()
    assert_same(values(mirrored), values(alone), tolerance=1e-6)
    assert not pruned_values(mirrored).any()


def test_loss_scaling_leaves_the_steps_as_they_are():
    inner = TorchSGD(0.1, momentum=0.9, weight_decay=0.5)
    scaled = keras.optimizers.LossScaleOptimizer(inner, initial_scale=8.0)
    variable, plain = keras.Variable(1.0), TorchSGD(0.1, 0.9, weight_decay=0.5)
    expected = walk(plain, [2.0, -1.0])
    # The second gradient overflows: that step is skipped, and the scale 4.
    for gradient in (16.0, np.inf, -4.0):
        scaled.apply([tf.constant(gradient)], [variable])
    assert float(variable) == pytest.approx(expected[1])
    assert int(inner.iterations) == 2


def test_float16_trains_as_float32_does():
    def trained(policy):
        keras.config.set_dtype_policy(policy)
        model = two_layers()
        model.set_weights([normal(*v.shape) / 4 for v in model.weights])
        model = kprune.prune(model, "magnitude", 0.5)
        model.compile(TorchSGD(0.05, 0.9, weight_decay=1e-3), "mse")
        model.fit(x, x[:, :2], 8, 3, shuffle=False, verbose=0)
        return model

    x = normal(32, 4)
    full, half = trained("float32"), trained("mixed_float16")
    assert isinstance(half.optimizer, keras.optimizers.LossScaleOptimizer)
    assert int(half.optimizer.iterations) == 12
    assert_same(values(half), values(full), tolerance=5e-3)
    moved = np.abs(values(full)[0] - normal(4, 5) / 4)
    assert moved.max() > 0.1
    assert {v.dtype for v in half.trainable_variables} == {"float32"}
    assert pruned_values(half).size == 15
    assert not pruned_values(half).any()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"momentum": 1.1}, r"`momentum`.*\[0, 1\].*1\.1"),
        ({"momentum": "0.9"}, "`momentum`.*'0.9'"),
        ({"weight_decay": -1e-4}, "`weight_decay`.*>= 0"),
        ({"weight_decay": None}, "`weight_decay`.*None"),
        ({"nesterov": True}, "`momentum`.*above 0"),
        ({"momentum": 0.9, "nesterov": 5e-4}, "`nesterov`.*True or False"),
        ({"dampening": 0.1}, "dampening"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        TorchSGD(0.1, **options)
