"""Approximate isometry: its gradient, its floor, what it leaves alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import sequential

import kprune
from kprune.masking import weights
from kprune.pruning.kept_weights import isometry
from kprune.pruning.kept_weights.isometry import _value_and_direction, descend

RNG = np.random.default_rng(0)


def net():
    first = keras.layers.Dense(8, bias_initializer="ones", name="a")
    return sequential((12,), first, keras.layers.Dense(3, name="b"))


def kernel(model, name):
    return model.get_layer(name).layer.kernel.numpy()


def distance(matrix):
    """|W^T W - I|, computed the plain way."""
    gap = matrix.T @ matrix - np.eye(matrix.shape[1])
    return np.sqrt((gap**2).sum())


def test_the_numbers_of_a_small_matrix():
    # W^T W - I is [[0, 2], [2, 4]], of norm sqrt(24).
    w = np.array([[1.0, 2.0], [0.0, 1.0]])
    value, direction = _value_and_direction(tf.constant(w))
    assert float(value) == pytest.approx(24**0.5)
    # 2 W gap = 2 [[4, 10], [2, 4]].
    expected = np.array([[8.0, 20.0], [4.0, 8.0]]) / 24**0.5
    np.testing.assert_allclose(direction, expected)
    # A step goes along it where weights are kept.
    mask = np.array([[True, True], [False, True]])
    best, after = descend(w, mask, 1, 0.1, 10)
    expected = w - 0.1 * mask * expected
    np.testing.assert_allclose(best, expected)
    assert float(after) == pytest.approx(distance(expected))


def test_the_gradient_is_that_of_finite_differences():
    w = RNG.normal(size=(5, 4))
    _, direction = _value_and_direction(tf.constant(w))
    for place in np.ndindex(w.shape):
        step = np.zeros_like(w)
        step[place] = 1e-6
        slope = (distance(w + step) - distance(w - step)) / 2e-6
        assert float(direction[place]) == pytest.approx(slope, abs=1e-6)


def test_an_isometry_stays_as_it_is():
    # The norm is 0 there, and has no gradient.
    w = np.eye(4, 3)
    value, direction = _value_and_direction(tf.constant(w))
    assert float(value) == 0
    np.testing.assert_array_equal(direction, np.zeros_like(w))
    best, after = descend(w, np.ones_like(w, bool), 10, 0.1, 10)
    np.testing.assert_array_equal(best, w)
    assert float(after) == 0


def test_the_floor_where_rows_are_fewer_than_columns():
    # W^T W has `columns - rows` eigenvalues of 0, each 1 from I.
    w, floor = RNG.normal(size=(3, 7)), 4**0.5
    best, after = descend(w, np.ones_like(w, bool), 3000, 0.01, 3000)
    assert float(after) == pytest.approx(floor, rel=1e-3)
    assert distance(w) > 2 * floor
    assert float(after) == pytest.approx(distance(np.asarray(best)))


def test_a_column_of_which_nothing_is_kept_adds_one():
    w = RNG.normal(size=(9, 4))
    mask = np.ones_like(w, bool)
    mask[:, :3] = False
    best, after = descend(np.where(mask, w, 0), mask, 2000, 0.01, 2000)
    # Three columns of nothing, one of length 1.
    assert float(after) == pytest.approx(3**0.5, rel=1e-3)
    assert np.linalg.norm(best[:, 3]) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("orthogonal", [False, True])
def test_residuals_fall_and_only_kept_weights_move(orthogonal):
    model = kprune.prune(net(), "random", 0.5)
    before = {w.name: w.variable.numpy() for w in weights.find(model)}
    masks = kprune.get_masks(model)
    found = isometry(model, orthogonal_start=orthogonal, steps=500)
    assert sorted(found) == ["a/kernel", "b/kernel"]
    for weight in weights.find(model):
        residual, after = found[weight.name], weight.variable.numpy()
        pair = residual.before, residual.after
        expected = distance(before[weight.name]), distance(after)
        assert pair == pytest.approx(expected, rel=1e-4)
        assert residual.after < 0.5 * residual.before
        assert not after[~masks[weight.name]].any()
    np.testing.assert_array_equal(model.get_layer("a").layer.bias, np.ones(8))


def test_the_orthogonal_start_is_drawn_by_the_seed():
    def values(seed):
        model = kprune.wrap(net())
        isometry(model, seed, orthogonal_start=True, steps=0)
        return kernel(model, "a")

    np.testing.assert_array_equal(values(1), values(1))
    assert (values(1) != values(2)).any()
    # Nothing is pruned: it is an isometry at once.
    assert distance(values(1)) < 1e-5


def test_filters_are_the_columns():
    layers = keras.layers
    model = sequential(
        (6, 6, 2),
        layers.Conv2D(4, 3, name="conv"),
        layers.Conv2DTranspose(3, 3, name="back"),
        layers.Reshape((36, 3)),
        layers.LSTM(2, name="lstm"),
    )
    model = kprune.wrap(model)
    found = isometry(model, steps=300)
    cell = model.get_layer("lstm").layer.cell
    matrices = {
        "conv/kernel": kernel(model, "conv").reshape(-1, 4),
        # A transposed convolution has its outputs before its inputs.
        "back/kernel": kernel(model, "back").swapaxes(2, 3).reshape(-1, 3),
        # The gates of a recurrent kernel are columns.
        "lstm/cell/kernel": cell.kernel.numpy(),
    }
    for name, matrix in matrices.items():
        assert found[name].after == pytest.approx(distance(matrix), rel=1e-3)


def test_it_is_patient_only_so_long():
    # Near its minimum it steps to and fro: more steps bring nothing.
    w = RNG.normal(size=(6, 4))
    few, short = (
        float(descend(w, np.ones_like(w, bool), steps, 0.1, 50)[1])
        for steps in (2, 10_000)
    )
    assert short < 0.3 * distance(w) and few > short


def test_as_the_survivors_of_a_pruner():
    pruner = kprune.Pruner("random", after_pruning=isometry)
    model, plain = (
        weights.find(kprune.prune(net(), method, 0.5, seed=3))
        for method in (pruner, "random")
    )
    for weight, other in zip(model, plain, strict=True):
        np.testing.assert_array_equal(weight.mask, other.mask)
        before, after = (distance(w.variable.numpy()) for w in (other, weight))
        assert after < 0.7 * before


def test_what_does_not_fit_is_refused():
    for name, value in {"steps": -1, "learning_rate": 0, "patience": 0}.items():
        with pytest.raises(ValueError, match=f"`{name}`"):
            isometry(kprune.wrap(net()), **{name: value})
    with pytest.raises(ValueError, match="has no masks"):
        isometry(net())
