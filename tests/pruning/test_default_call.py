"""What the shortest calls leave of a trained network, on real digits."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kprune

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def digits():
    return kprune.datasets.load_arrays("digits")


def trained(train, seed):
    keras.utils.set_random_seed(seed)
    stack = [keras.Input((8, 8, 1))]
    for filters in (32, 64):
        stack.append(layers.Conv2D(filters, 3, padding="same"))
        stack += [layers.BatchNormalization(), layers.ReLU()]
    stack += [layers.MaxPooling2D(), layers.Flatten()]
    dense = [layers.Dense(64, activation="relu"), layers.Dense(10)]
    model = keras.Sequential(stack + dense)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(2e-3), loss, metrics=["accuracy"])
    model.fit(*train, batch_size=64, epochs=30, verbose=0)
    return model


def accuracy(model, test):
    return model.evaluate(*test, verbose=0)[1]


def test_a_trained_network_keeps_its_accuracy_at_80_percent(digits):
    train, test = digits
    found = []
    for seed in range(3):
        pruned = kprune.prune(trained(train, seed), sparsity=0.8)
        assert kprune.report(pruned).sparsity == pytest.approx(0.8, abs=1e-4)
        found.append(accuracy(pruned, test))
    assert np.mean(found) >= 0.96


def test_half_of_the_channels_go_at_once(digits, tmp_path):
    train, test = digits
    found = []
    for seed in range(3):
        model = trained(train, seed)
        pruned = kprune.prune(model, sparsity=0.5, granularity="channel")
        small = kprune.shrink(pruned, verbose=0)
        assert 2 * small.count_params() < model.count_params()
        found.append(accuracy(small, test))
    assert np.mean(found) >= 0.94
    small.save(tmp_path / "small.keras")
    loaded = keras.models.load_model(tmp_path / "small.keras")
    assert accuracy(loaded, test) == found[-1]
    kprune.export(small, tmp_path / "saved")
    served = tf.saved_model.load(str(tmp_path / "saved"))
    x = test[0][:32]
    np.testing.assert_allclose(served.serve(x), small(x), rtol=1e-4, atol=1e-4)
