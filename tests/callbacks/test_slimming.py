"""Slimming's penalty on gamma: its gradient, and that it travels along."""

import keras
import numpy as np
import pytest
from keras import layers
from networks import CE, sequential

import kprune
from kprune.callbacks.regularization import slim

GAMMA = np.array([0.5, -0.25, 0.0, 1.0], "float32")
# Inputs and targets of which the task has no gradient.
ZEROS = np.zeros((4, 3)), np.zeros((4, 2))


def net(**options):
    return sequential(
        (3,),
        layers.Dense(4, use_bias=False, name="a"),
        layers.BatchNormalization(name="bn", **options),
        layers.BatchNormalization(scale=False, name="plain"),
        layers.Dense(2, name="b"),
    )


def gamma(model):
    return model.get_layer("bn").gamma


def step(model):
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.train_on_batch(*ZEROS)


def test_the_gradient_is_the_sign():
    model = net()
    slim(model, 0.01)
    gamma(model).assign(GAMMA)
    assert float(sum(model.losses)) == pytest.approx(0.0175)
    step(model)
    # 0.1 times 0.01 nearer to 0; 0 stays.
    expected = [0.499, -0.249, 0, 0.999]
    np.testing.assert_allclose(gamma(model), expected, rtol=1e-6)


def test_a_strength_replaces_another_and_0_takes_it_off():
    model = net()
    step(model)  # Traced without.
    gamma(model).assign(GAMMA)
    slim(model, 0.5)
    slim(model, 0.01)
    model.train_on_batch(*ZEROS)
    np.testing.assert_allclose(gamma(model)[0], 0.499, rtol=1e-6)
    slim(model, 0)
    model.train_on_batch(*ZEROS)
    np.testing.assert_allclose(gamma(model)[0], 0.499, rtol=1e-6)
    assert model.losses == []


def test_an_own_l2_stays():
    model = net(gamma_regularizer=keras.regularizers.L2(0.5))
    slim(model, 0.01)
    gamma(model).assign(GAMMA)
    squares = 0.5 * (0.25 + 0.0625 + 1)
    assert float(sum(model.losses)) == pytest.approx(0.0175 + squares)
    slim(model, 0)
    assert float(sum(model.losses)) == pytest.approx(squares)


def test_it_travels_with_the_model(tmp_path):
    model = net()
    slim(model, 0.01)
    gamma(model).assign(GAMMA)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for other in (loaded, kprune.wrap(model), kprune.strip(model)):
        assert float(sum(other.losses)) == pytest.approx(0.0175)


def test_what_was_slimmed_is_pruned_by_gamma():
    model = net()
    slim(model)
    gamma(model).assign(GAMMA)
    pruned = kprune.prune(model, "bn_gamma", 0.5, granularity="channel")
    mask = kprune.get_masks(pruned)["a/kernel"]
    assert mask.any(0).tolist() == [True, False, False, True]
    small = kprune.shrink(pruned, verbose=0)
    assert small.get_layer("a").units == 2
    # Of the penalty the part of what is left.
    assert float(sum(small.losses)) == pytest.approx(1.5e-4)


@pytest.mark.slow
def test_gammas_become_smaller():
    train, _ = kprune.datasets.load("digits", batch_size=32)
    sizes = []
    for strength in (0.01, 0):
        keras.utils.set_random_seed(0)
        model = kprune.models.resnet_cifar(8, input_shape=(8, 8, 1), seed=0)
        slim(model, strength)
        optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
        model.compile(optimizer, CE)
        model.fit(train, epochs=1, verbose=0)
        gammas = [v for v in model.trainable_variables if v.name == "gamma"]
        assert len(gammas) == 9
        sizes.append(np.mean([np.abs(v.numpy()).mean() for v in gammas]))
    # 45 steps at 0.05, of 10 times that with momentum: up to 0.2 less.
    assert sizes[0] < sizes[1] - 0.1


def test_what_does_not_fit_is_refused():
    model = sequential((3,), layers.Dense(2, name="a"))
    with pytest.raises(ValueError, match="no batch normalization"):
        slim(model)
    with pytest.raises(ValueError, match="`strength`"):
        slim(net(), -1)
    own = keras.regularizers.OrthogonalRegularizer()
    model = net(gamma_regularizer=own)
    with pytest.raises(ValueError, match="has a regularizer already"):
        slim(model)
    assert gamma(model).regularizer is own
