"""The overlap with other masks."""

import keras
import numpy as np
import pytest
from networks import sequential

import kprune
from kprune.analysis.report import report

layers = keras.layers


def measure(model, **options):
    return report(model, multiply_adds=False, paths=False, **options)


def mlp(name="b"):
    stack = layers.Dense(3, name="a"), layers.Dense(1, name=name)
    return sequential((2,), *stack)


def masked(a, b):
    model = kprune.wrap(mlp())
    kprune.set_masks(model, {"a/kernel": a, "b/kernel": b})
    return model


def test_overlap_over_all_weights_and_of_each():
    one = masked([[1, 1, 1], [0, 0, 0]], [[1], [1], [0]])
    other = masked([[0, 1, 1], [1, 0, 0]], [[0], [0], [1]])
    # a: both keep 2, either keeps 4; b: none of 3.
    integers = {n: m.astype(int) for n, m in kprune.get_masks(other).items()}
    for against in (other, kprune.strip(other), integers):
        measured = measure(one, against=against)
        assert measured.overlap == 2 / 7
        assert [row.overlap for row in measured.rows] == [0.5, 0.0]
    assert measure(one, against=one).overlap == 1.0
    assert measure(one).overlap is None


def test_weights_left_out_of_the_pruning_do_not_count():
    model = kprune.prune(mlp(), "random", 0.5, exclude="b")
    other = {"a/kernel": ~kprune.get_masks(model)["a/kernel"]}
    # Dense in both, b would agree.
    other["b/kernel"] = np.ones((3, 1), bool)
    for against in (other, {"a/kernel": other["a/kernel"]}):
        measured = measure(model, against=against)
        assert measured.overlap == 0.0
        assert [row.overlap for row in measured.rows] == [0.0, None]


@pytest.mark.parametrize(
    "against, message",
    [
        ({"a/kernel": np.ones((2, 3), bool)}, r"Missing: \['b/kernel'\]"),
        (kprune.wrap(mlp("c")), r"Not in `model`: \['c/kernel'\]"),
        (
            {"a/kernel": np.ones((3, 2)), "b/kernel": np.ones((3, 1))},
            r"'a/kernel' in `against` has the wrong shape. Expected \(2, 3\)",
        ),
        (0.5, "Expected `against` to be a dict of masks.* Received: float"),
    ],
)
def test_masks_of_other_weights(against, message):
    with pytest.raises(ValueError, match=message):
        measure(kprune.wrap(mlp()), against=against)
