"""The saliency and the gradient norm after a pruning."""

import keras
import numpy as np
import pytest
from lifecycle import unchanged
from networks import sequential

import kprune
from kprune.analysis.report import report

layers = keras.layers
X = np.array([[1.0, 2.0, 3.0]], "float32")
Y = np.zeros((1, 1), "float32")
WEIGHTS = [[1.0], [-2.0], [0.5]]


def measure(model, **options):
    return report(model, multiply_adds=False, paths=False, **options)


def linear(mask=((1,), (0,), (1,)), **options):
    """y = w.x with w = (1, -2, 1/2), of which the mask drops the second."""
    layer = layers.Dense(1, use_bias=False, name="out")
    model = kprune.wrap(sequential((3,), layer, values=[WEIGHTS]), **options)
    kprune.set_masks(model, {"out/kernel": mask})
    return model


@pytest.mark.parametrize("keep_pruned_values", [False, True])
def test_saliency_of_a_linear_unit(keep_pruned_values):
    model = linear(keep_pruned_values=keep_pruned_values)
    measured = measure(model, data=(X, Y), loss="mse")
    # The pruned unit gives 1 + 1.5 = 2.5, and dL/dw = 2 (2.5 - 0) x = [5, 10,
    # 15]. Over the two kept weights |w dL/dw| = 5 + 7.5.
    np.testing.assert_allclose(measured.saliency, 12.5)
    np.testing.assert_allclose(measured.gradient_norm, np.sqrt(25 + 225))
    assert measured.rows[0].saliency == 1.0


def test_gradients_are_averaged_over_the_batches():
    x, y = np.concatenate([X, -2 * X]), np.concatenate([Y, Y])
    batches = [(x[:1], y[:1]), (x[1:], y[1:])]
    # On -2 x the gradient is 4 times as large: the mean is 2.5 times.
    both = measure(linear(), data=batches, loss="mse")
    np.testing.assert_allclose(both.saliency, 2.5 * 12.5)
    one = measure(linear(), data=batches, loss="mse", batches=1)
    np.testing.assert_allclose(one.saliency, 12.5)


def two_layers():
    a, b = (
        layers.Dense(n, use_bias=False, name=name)
        for n, name in ((2, "a"), (1, "b"))
    )
    values = [[[1, 1], [0, 1], [0, 0]], [[2], [1]]]
    return sequential((3,), a, b, values=values)


def test_rows_have_their_share():
    model = kprune.wrap(two_layers())
    masks = {"a/kernel": [[1, 1], [0, 1], [0, 0]], "b/kernel": [[1], [0]]}
    kprune.set_masks(model, masks)
    measured = measure(model, data=(X, Y), loss="mse")
    # x a = (1, 3), of which b takes 2 x 1: dL/dy = 4. dL/db = 4 (1, 3), and
    # dL/da = 4 x (2, 0). |w dL/dw| is 8 for a[0, 0], 0 for a[:, 1], 8 for b.
    assert measured.saliency == 16.0
    assert [row.saliency for row in measured.rows] == [0.5, 0.5]
    # Of a are kept (0, 0), (0, 1), (1, 1), with gradients 8, 0, 0; of b 4.
    np.testing.assert_allclose(measured.gradient_norm, np.sqrt(64 + 16))


def test_weights_left_out_of_the_pruning_do_not_count():
    model = kprune.prune(two_layers(), "magnitude", 0.5, exclude="b")
    # Of a the three ones stay. x a = (1, 3), y = 5, dL/dy = 10, and dL/da =
    # 10 x (2, 1): |w dL/dw| is 20 + 10 + 20.
    measured = measure(model, data=(X, Y), loss="mse")
    np.testing.assert_allclose(measured.saliency, 50.0)
    assert [row.saliency for row in measured.rows] == [1.0, None]


def test_a_stripped_model_has_the_same_saliency_and_nothing_changes():
    model = linear()
    with unchanged(model):
        measure(model, data=(X, Y), loss="mse")
    plain = measure(kprune.strip(model), data=(X, Y), loss="mse")
    assert plain.saliency == 12.5
    np.testing.assert_allclose(plain.gradient_norm, np.sqrt(250))


def test_nothing_is_left_of_a_collapsed_model():
    empty = linear(np.zeros((3, 1)))
    measured = measure(empty, data=(X, Y + 1), loss="mse")
    # A gradient flows to weights that are pruned, and is not counted.
    assert measured.saliency == measured.gradient_norm == 0.0
    assert measured.rows[0].saliency == 0.0


def test_saliency_is_not_told_without_data():
    measured = measure(linear())
    assert measured.saliency is measured.gradient_norm is None
    assert measured.rows[0].saliency is None
    for options in ({"loss": "mse"}, {"batches": 2}):
        with pytest.raises(ValueError, match="Expected `data` with them"):
            measure(linear(), **options)
