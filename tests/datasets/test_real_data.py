"""MNIST and CIFAR-10 themselves, where they lie beside the checkout."""

import pathlib

import numpy as np
import pytest

import kprune.datasets
from kprune.datasets import memory

FOLDER = pathlib.Path(__file__).parents[3] / "shared" / "tfds"
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="needs prepared data beside the checkout"
)


def test_mnist_is_normalized():
    train, test = kprune.datasets.load("mnist", data_dir=FOLDER)
    assert (len(train), len(test)) == (469, 79)
    some = train.take(100).as_numpy_iterator()
    x = np.concatenate([x for x, _ in some])
    assert x.shape == (12_800, 28, 28, 1)
    np.testing.assert_allclose([x.mean(), x.std()], [0, 1], atol=1e-2)


def test_cifar10_has_the_constants_of_the_table(monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(FOLDER))
    info = kprune.datasets.info("cifar10")
    (x, y), (x_test, y_test) = memory.read(info)
    assert (x.shape, x_test.shape) == ((50_000, 32, 32, 3), (10_000, 32, 32, 3))
    assert (x.dtype, y.dtype) == (np.uint8, np.int32)
    np.testing.assert_array_equal(np.bincount(y), [5000] * 10)
    np.testing.assert_array_equal(np.bincount(y_test), [1000] * 10)

    some = x[::10] / 255
    # The prepared copy went through JPEG: red and blue lie 0.005 lower, and
    # all deviate by 0.002 less.
    np.testing.assert_allclose(some.mean((0, 1, 2)), info.mean, atol=1e-2)
    # The deviation of all pixels is SynFlow's constant; the mean of the
    # images' own deviations is the usual one.
    synflow = info.normalizations["synflow"]
    np.testing.assert_allclose(some.std((0, 1, 2)), synflow.std, atol=5e-3)
    own = some.std((1, 2)).mean(0)
    np.testing.assert_allclose(own, info.std, atol=5e-3)
