"""The laws of the papers, and that every layer has draws of its own."""

import itertools

import keras
import numpy as np
import pytest

from kprune import models
from kprune.models import initializers

VARIANCES = {
    # A kernel of 3x3 from 20 to 80: fan_in 180, fan_out 720.
    "kaiming_normal": 2 / 180,
    "kaiming_normal_fan_out": 2 / 720,
    "xavier_normal": 2 / 900,
    "torch": 1 / 180 / 3,  # The variance of U(-r, r) is r^2 / 3.
    "fan_in_uniform": 1 / 180 / 3,
    "fan_in_normal": 1 / 180,
}


@pytest.mark.parametrize("name", initializers.names())
def test_variances_are_those_of_the_papers(name):
    variance = VARIANCES[name]
    initializer = initializers.for_kernel(name, 0, "conv1/kernel")
    assert "kprune" not in str(keras.initializers.serialize(initializer))
    kernel = initializer((3, 3, 20, 80)).numpy()
    # The standard error of the variance of 14,400 draws is about 1.2%.
    assert np.var(kernel) == pytest.approx(variance, rel=0.04)
    assert abs(np.mean(kernel)) < 4 * np.sqrt(variance / kernel.size)
    largest = np.abs(kernel).max() / np.sqrt(variance)
    if name in ("torch", "fan_in_uniform"):
        assert 1.72 < largest < np.sqrt(3) + 1e-6
    else:  # Truncated as Keras does, no draw is beyond 2.3.
        assert largest > 3


def test_torch_draws_biases_from_the_law_of_their_kernels():
    model = models.lenet5(initializer="torch", seed=0)
    # fan_in: 5 * 5 * 20 and 4 * 4 * 50.
    for layer, fan_in in (("conv2", 500), ("fc1", 800)):
        bias = model.get_layer(layer).bias.numpy()
        assert 0.9 < np.abs(bias).max() * np.sqrt(fan_in) < 1
        assert bias.min() < 0 < bias.max()
    other = models.lenet5(initializer="torch", seed=1)
    biases = [one.get_layer("fc1").bias for one in (model, other)]
    assert not np.any(np.equal(*biases))
    # And no other law does.
    model = models.lenet5(initializer="fan_in_uniform", seed=0)
    assert not np.any(model.get_layer("fc1").bias)


def test_constants_have_signs_of_their_own():
    options = {"widths": (50,), "input_shape": (16,), "seed": 0}
    model = models.fc(initializer="fan_in_constant", **options)
    first, last = (model.get_layer(n).kernel.numpy() for n in ("fc1", "fc2"))
    assert set(np.unique(first)) == {-0.25, 0.25}
    np.testing.assert_allclose(np.abs(last), 50**-0.5, rtol=1e-6)
    # Of 800 fair signs the mean is within 3.5 / sqrt(800) of zero.
    assert abs(np.sign(first).mean()) < 0.125
    assert not np.any(model.get_layer("fc1").bias)
    drawn = models.fc(initializer="torch", **options)
    assert model.count_params() == drawn.count_params()


def test_seeds_are_the_same_in_every_process():
    # CRC-32 of "0/conv1/kernel" without its highest bit. What Python's own
    # `hash` gives would differ from run to run.
    assert initializers.derived_seed(0, "conv1/kernel") == 580309175
    assert initializers.derived_seed(None, "conv1/kernel") is None
    seeds = {initializers.derived_seed(1, f"conv{i}/kernel") for i in (1, 2)}
    assert len(seeds) == 2


SQUARE = {"widths": (20, 20, 20), "input_shape": (20,), "classes": 20}


def square_kernels(**options):
    model = models.fc(**SQUARE, **options)
    return [model.get_layer(f"fc{i}").kernel.numpy() for i in range(1, 5)]


@pytest.mark.parametrize(
    "initializer",
    [
        "he_normal",
        keras.initializers.HeNormal(),
        keras.initializers.HeNormal(seed=5),
        keras.initializers.Orthogonal(seed=5),
        {"class_name": "HeNormal", "config": {"seed": 5}},
        keras.initializers.HeNormal(seed=keras.random.SeedGenerator(5)),
        lambda shape, dtype=None: keras.random.normal(shape, dtype=dtype),
    ],
    ids=lambda value: getattr(value, "__class__", value).__name__,
)
def test_no_two_layers_share_their_draws(initializer):
    kernels = square_kernels(initializer=initializer)
    for kernel, later in itertools.combinations(kernels, 2):
        assert not np.any(kernel == later)


def test_an_initializer_with_a_seed_keeps_to_it():
    initializer = keras.initializers.HeNormal(seed=5)
    one = square_kernels(initializer=initializer)
    same = square_kernels(initializer=keras.initializers.HeNormal(seed=5))
    seeded = square_kernels(initializer=initializer, seed=6)
    np.testing.assert_array_equal(one, same)
    assert not np.any(np.equal(one, seeded))


def test_a_callable_is_taken_as_it_is():
    def ramp(shape, dtype=None):
        return keras.ops.reshape(keras.ops.arange(400, dtype=dtype), shape)

    for kernel in square_kernels(initializer=ramp):
        np.testing.assert_array_equal(np.ravel(kernel), np.arange(400))


@pytest.mark.parametrize(
    "initializer", ["kaiming", None, 3, object(), keras.metrics.Mean()]
)
def test_an_unknown_initializer_is_refused(initializer):
    with pytest.raises(ValueError, match="Received: initializer="):
        models.lenet5(initializer=initializer)
    with pytest.raises(ValueError, match="Did you mean 'xavier_normal'"):
        initializers.get("xavier_norml")
