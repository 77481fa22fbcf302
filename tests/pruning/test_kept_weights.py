"""Two values per layer, worked out by hand, saved, and begun from."""

import os

import keras
import numpy as np
import pytest
from networks import sequential

import kprune
from kprune.pruning import kept_weights

KERNELS = {
    "a/kernel": np.array([[1.0, -2.0, 0.0], [3.0, 0.5, -4.0]]),
    "b/kernel": np.array([[0.25], [0.75], [-8.0]]),
}
MASKS = {
    "a/kernel": np.array([[1, 1, 1], [1, 0, 1]], bool),
    "b/kernel": np.array([[1], [1], [0]], bool),
}


def net(dtype=None, keep_pruned_values=False):
    ones, norm = {"bias_initializer": "ones"}, keras.layers.BatchNormalization
    model = sequential(
        (2,),
        keras.layers.Dense(3, **ones, dtype=dtype, name="a"),
        norm(beta_initializer="ones", gamma_initializer="zeros", name="norm"),
        keras.layers.Dense(1, name="b"),
    )
    model.get_layer("norm").moving_mean.assign(np.ones(3))
    model.get_layer("norm").moving_variance.assign(np.zeros(3))
    return kprune.wrap(model, keep_pruned_values=keep_pruned_values)


def trained(keep_pruned_values=False):
    model = net(keep_pruned_values=keep_pruned_values)
    for name, kernel in KERNELS.items():
        model.get_layer(name[0]).layer.kernel.assign(kernel)
    kprune.set_masks(model, MASKS)
    return model


def kernel(model, name):
    return model.get_layer(name).layer.kernel.numpy()


@pytest.mark.parametrize("keep_pruned_values", [False, True])
def test_the_numbers(keep_pruned_values):
    # Of a: 1 and 3 over, -2 and -4 under zero; 0.5 is pruned, though it may
    # be stored, and 0.0 counts with neither. Of b nothing negative is kept.
    model = trained(keep_pruned_values)
    assert (kernel(model, "a")[1, 1] == 0.5) == keep_pruned_values
    found = kept_weights.centroids(model)
    assert found.values == {"a/kernel": (2.0, -3.0), "b/kernel": (0.5, 0.0)}
    for name, mask in MASKS.items():
        np.testing.assert_array_equal(found.masks[name], mask)


@pytest.mark.parametrize("saved", [False, True])
def test_a_model_begins_from_them(tmp_path, saved):
    found = kept_weights.centroids(trained())
    if saved:
        size = found.save(tmp_path / "two.npz")
        assert size == os.path.getsize(tmp_path / "two.npz") < 4000
        assert os.listdir(tmp_path) == ["two.npz"]
        found = kept_weights.Centroids.load(tmp_path / "two.npz")
    model = net()
    found.apply(model)
    # Signs are those of the trained weights; a zero goes with the positive.
    np.testing.assert_array_equal(kernel(model, "a"), [[2, -3, 2], [2, 0, -3]])
    np.testing.assert_array_equal(kernel(model, "b"), [[0.5], [0.5], [0]])
    for name, mask in kprune.get_masks(model).items():
        np.testing.assert_array_equal(mask, MASKS[name])
    norm = model.get_layer("norm")
    beginning = {"gamma": 1, "beta": 0, "moving_mean": 0, "moving_variance": 1}
    for name, value in beginning.items():
        np.testing.assert_array_equal(getattr(norm, name), [value] * 3)
    for name in "ab":
        assert not model.get_layer(name).layer.bias.numpy().any()


def test_what_is_loaded_is_what_was_saved(tmp_path):
    model = kprune.models.conv2(input_shape=(8, 8, 1), seed=0)
    model = kprune.prune(model, "magnitude", 0.9)
    found = kept_weights.centroids(model)
    size = found.save(tmp_path / "two.npz")
    # 2 L numbers, and one bit per entry, of which a tenth needs another.
    total = sum(mask.size for mask in found.masks.values())
    assert size < 1.1 * total / 8 + 4000
    again = kept_weights.Centroids.load(tmp_path / "two.npz")
    assert again.values == found.values
    for name, mask in found.masks.items():
        np.testing.assert_array_equal(again.masks[name], mask)
        signs, expected = again.signs[name][mask], found.signs[name][mask]
        np.testing.assert_array_equal(signs, expected)
    again.apply(model)
    for weight in kprune.masking.weights.find(model):
        value, mask = weight.variable.numpy(), found.masks[weight.name]
        two, expected = np.unique(value[mask])[::-1], found.values[weight.name]
        np.testing.assert_allclose(two, expected, rtol=1e-6)
        assert not value[~mask].any()


def test_what_does_not_fit_is_said(tmp_path):
    model = trained()
    found = kept_weights.centroids(model)
    with pytest.raises(ValueError, match="has no masks"):
        kept_weights.centroids(kprune.strip(model))
    other = kprune.wrap(sequential((2,), keras.layers.Dense(3, name="a")))
    before = kernel(other, "a")
    with pytest.raises(ValueError, match="'b/kernel'"):
        found.apply(other)
    np.testing.assert_array_equal(kernel(other, "a"), before)
    kprune.masks.save(found.masks, tmp_path / "masks.npz")
    with pytest.raises(ValueError, match="Expected centroids"):
        kept_weights.Centroids.load(tmp_path / "masks.npz")
    model.get_layer("a").layer.kernel.assign(np.full((2, 3), np.nan))
    with pytest.raises(ValueError, match="'a/kernel' keeps"):
        kept_weights.centroids(model)


def test_half_precision():
    model = net("bfloat16")
    kept_weights.centroids(trained()).apply(model)
    found = np.array(kernel(model, "a"), "float32")
    np.testing.assert_array_equal(found, [[2, -3, 2], [2, 0, -3]])


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"values/a": np.array([np.nan, -1.0])}, "a number >= 0 and one <= 0"),
        ({"values/a": np.array([1.0, -np.inf])}, "a number >= 0 and one <= 0"),
        ({"values/a": np.array([-1.0, 1.0])}, "a number >= 0 and one <= 0"),
        ({"values/a": np.array([1.0, -1.0], "f4")}, "in float64"),
        ({"values/a": np.array([1.0])}, "in float64"),
        ({"shape/a": np.array([-2, -4])}, "integers >= 0"),
        ({"mask/a": np.zeros(2, "u1")}, "8 bits in 1 bytes"),
        ({"signs/a": np.zeros(0, "u1")}, "2 bits in 1 bytes"),
        ({"signs/b": np.zeros(1, "u1")}, "Expected centroids written"),
    ],
)
def test_centroids_that_are_none_are_refused(tmp_path, changes, words):
    path = tmp_path / "centroids.npz"
    arrays = {
        "values/a": np.array([1.0, -2.0]),
        "shape/a": np.array([2, 4]),
        "mask/a": np.array([0b11000000], "u1"),
        "signs/a": np.array([0b10000000], "u1"),
    }
    np.savez(path, **arrays)
    assert kept_weights.Centroids.load(path).values == {"a": (1.0, -2.0)}
    np.savez(path, **{**arrays, **changes})
    with pytest.raises(ValueError, match=f"centroids.npz.*{words}"):
        kept_weights.Centroids.load(path)
