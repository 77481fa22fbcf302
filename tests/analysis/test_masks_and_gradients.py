"""Overlaps of masks, and the gradient of what they keep."""

import keras
import numpy as np
import pytest
from networks import sequential

import kprune
from kprune.analysis import gradient_flow, overlaps


def mask(*kept):
    return np.isin(np.arange(4), kept)


def test_overlaps_each_with_each():
    found = overlaps(
        {
            "one": {"a": mask(0, 1), "b": mask(0)},
            "two": {"a": mask(1, 2), "b": mask(0)},
            "three": {"a": mask(3), "b": mask()},
        }
    )
    assert found.names == ("one", "two", "three")
    # one and two: both keep a1 and b0, either a0 a1 a2 b0.
    np.testing.assert_allclose(
        found.matrix, [[1, 1 / 2, 0], [1 / 2, 1, 0], [0, 0, 1]]
    )
    np.testing.assert_allclose(
        found.weights["a"], [[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 1]]
    )
    np.testing.assert_allclose(found.weights["b"][0], [1, 1, 0])
    assert str(found).splitlines()[1] == " 1  one    1.00  0.50  0.00"


def test_what_all_keep_whole_does_not_count():
    whole = np.ones(100, bool)
    one = {"left_out": whole, "a": mask(0, 1)}
    other = {"left_out": whole, "a": mask(1, 2)}
    matrix = overlaps({"one": one, "other": other}).matrix
    np.testing.assert_allclose(matrix, [[1, 1 / 3], [1 / 3, 1]])
    dense = {"left_out": whole}
    assert (overlaps({"one": dense, "other": dense}).matrix == 1).all()


def test_masks_of_other_weights_are_answered():
    with pytest.raises(ValueError, match=r"'x' and 'y' differ in: \['b'\]"):
        overlaps({"x": {"a": mask()}, "y": {"a": mask(), "b": mask()}})
    with pytest.raises(ValueError, match=r"differ in: \['a'\]"):
        overlaps({"x": {"a": mask()}, "y": {"a": mask()[:3]}})
    with pytest.raises(ValueError, match="dicts of masks"):
        overlaps({})


def net():
    stack = (
        keras.layers.Dense(1, use_bias=False, name=name)
        for name in ("fc1", "fc2")
    )
    return sequential((2,), *stack, values=[[[1.0], [2.0]], [[3.0]]])


DATA = (np.array([[1.0, 1.0]]), np.array([[0.0]]))


def test_the_gradient_before_and_after_pruning():
    # y = 3 (1 + 2) = 9, loss y^2, dL/dy = 18. fc1: 18 * 3 = 54 twice; fc2:
    # 18 * 3 = 54.
    model = net()
    found = gradient_flow(model, DATA, "mse")
    assert found.weights == pytest.approx(
        {"fc1/kernel": 54 * 2**0.5, "fc2/kernel": 54}
    )
    assert found.total == pytest.approx(54 * 3**0.5)
    # Without the 2: y = 3, dL/dy = 6; fc1: 18, of one entry alone; fc2: 6.
    pruned = kprune.wrap(model)
    kprune.set_masks(pruned, {"fc1/kernel": np.array([[True], [False]])})
    found = gradient_flow(pruned, DATA, "mse")
    assert found.weights == pytest.approx({"fc1/kernel": 18, "fc2/kernel": 6})
    assert str(found).splitlines() == [
        "fc1/kernel  18",
        "fc2/kernel  6",
        "all         18.97",
    ]
    report = kprune.report(pruned, data=DATA, loss="mse")
    assert report.gradient_norm == pytest.approx(found.total)
