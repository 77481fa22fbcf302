"""The line between two networks."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from lifecycle import unchanged
from networks import CE, sequential

import kprune
from kprune.analysis import linear_connectivity


def line_of(weight, bias=0.0):
    """Returns the model w x + b."""
    values = [[[weight]], [bias]]
    return sequential((1,), keras.layers.Dense(1, name="fc"), values=values)


DATA = (np.array([[1.0], [3.0]]), np.array([[0.0], [0.0]]))


def test_the_loss_along_the_line():
    # Between w = -1 and w = 3, w(t) = -1 + 4 t: the mean of (w x)^2 over x =
    # 1, 3 is 5 w^2: 5, 0, 5, 20, 45.
    ends = line_of(-1.0), line_of(3.0)
    found = linear_connectivity(*ends, DATA, points=5, loss="mse")
    assert found.shares == (0.0, 0.25, 0.5, 0.75, 1.0)
    np.testing.assert_allclose(found.losses, [5, 0, 5, 20, 45], atol=1e-5)
    assert found.loss_barrier == pytest.approx(45 - 25)
    assert "barriers: loss 20" in str(found)


def test_the_error_barrier():
    line = kprune.analysis.Line((0, 0.5, 1), (1, 4, 2), (0.9, 0.2, 0.7))
    assert line.error_barrier == pytest.approx(0.6)  # 0.8 on average, less 0.2.
    assert line.loss_barrier == pytest.approx(2.5)


def test_accuracies_are_those_of_the_ends():
    train, test = kprune.datasets.load("digits", batch_size=64)
    shape = {"widths": (8,), "input_shape": (8, 8, 1)}
    a, b = (kprune.models.fc(**shape, seed=seed) for seed in (0, 1))
    for model in (a, b):
        model.compile("adam", CE, metrics=["accuracy"])
        model.fit(train, epochs=3, verbose=0)
    with unchanged(a, b):
        found = linear_connectivity(a, b, test, points=3)
    for model, place in ((a, 0), (b, -1)):
        measured = model.evaluate(test, verbose=0)
        assert found.losses[place] == pytest.approx(measured[0], rel=1e-5)
        assert found.accuracies[place] == pytest.approx(measured[1])
    # Two seeds of hidden units are permuted against each other.
    assert found.error_barrier > 0.05
    same = linear_connectivity(a, a, test, points=3)
    assert same.error_barrier == pytest.approx(0, abs=1e-6)


def test_pruned_networks_are_sparse_at_their_ends():
    dense = line_of(2.0)
    pruned = kprune.wrap(dense)
    kprune.set_masks(pruned, {"fc/kernel": np.zeros((1, 1), bool)})
    found = linear_connectivity(pruned, dense, DATA, points=2, loss="mse")
    np.testing.assert_allclose(found.losses, [0, 20], atol=1e-5)


def test_statistics_are_taken_anew():
    bare = {"center": False, "scale": False, "epsilon": 0.0}
    norm = keras.layers.BatchNormalization(**bare)
    model = sequential((1,), keras.layers.Dropout(0.5, seed=1), norm)
    # Two batches: means 2 and 6, variances 1 and 9. On average 4 and 5.
    x = np.array([[1.0], [3.0], [3.0], [9.0]], "float32")
    batches = tf.data.Dataset.from_tensor_slices((x, x)).batch(2)
    # 4 + sqrt 5 and 4 become 1 and 0.
    measured = np.array([[4 + 5**0.5], [4.0]]), np.array([[1.0], [0.0]])
    found = linear_connectivity(
        model, model, measured, 2, loss="mse", statistics_from=batches
    )
    np.testing.assert_allclose(found.losses, [0, 0], atol=1e-10)
    left = linear_connectivity(model, model, measured, 2, loss="mse")
    assert left.losses[0] > 1
    assert (norm.moving_mean.numpy(), norm.momentum) == (0, 0.99)


def test_bad_input_is_answered():
    one = line_of(1.0)
    with pytest.raises(ValueError, match="needs a loss"):
        linear_connectivity(one, one, DATA)
    with pytest.raises(ValueError, match="`points`"):
        linear_connectivity(one, one, DATA, points=1, loss="mse")
    wide = sequential((1,), keras.layers.Dense(2, name="fc"))
    with pytest.raises(ValueError, match=r"differ in: \['fc/bias', 'fc/kernel"):
        linear_connectivity(one, wide, DATA, loss="mse")
