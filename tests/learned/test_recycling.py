"""Recycled weights: which entries take the values of which."""

import numpy as np
import pytest
from lifecycle import assert_same, two_layers

import kprune
from kprune.learned import WeightRecycling, recycling


def test_recycling_by_hand():
    # Of ten entries floor(0.25 * 10) = 2: by |score| the lowest are the
    # entries 4 and 1, the highest the entries 0 and 7, in ascending order.
    values = np.arange(10.0).reshape(2, 5)
    scores = [-0.8, 0.2, 0.3, -0.4, 0.1, 0.5, 0.6, -0.9, 0.7, -0.35]
    found = recycling.recycled(values, np.reshape(scores, (2, 5)), 0.25)
    expected = [[0, 7, 2, 3, 0], [5, 6, 7, 8, 9]]
    np.testing.assert_array_equal(found, expected)
    assert values[0, 4] == 4  # What came in stays.


def test_less_than_an_entry_is_none():
    values, scores = np.arange(9.0), np.arange(9.0)
    np.testing.assert_array_equal(
        recycling.recycled(values, scores, 0.1), values
    )


def kernels(net):
    return [layer.layer.kernel.numpy() for layer in net.layers]


@pytest.mark.parametrize("method", ["edge_popup", "biprop"])
def test_epochs_at_which_weights_are_recycled(method):
    model = two_layers()
    net = kprune.select(model, method, 0.5, seed=1)
    callback = WeightRecycling(0.5, every=2)
    callback.set_model(net)
    callback.on_train_begin()
    seen = []
    for epoch in range(4):
        callback.on_epoch_begin(epoch)
        seen.append(kernels(net))
    # Before the third epoch alone: after the fourth it would not help.
    first, second, third, fourth = seen
    assert_same(first, [layer.kernel.numpy() for layer in model.layers])
    assert_same(first, second)
    assert_same(third, fourth)
    for before, after, layer in zip(first, third, net.layers, strict=True):
        scores = np.abs(layer.parts["kernel"].scores.numpy())
        order = np.argsort(scores, None)
        half = before.size // 2
        expected = before.ravel()[order[half:]]
        np.testing.assert_array_equal(after.ravel()[order[:half]], expected)
        np.testing.assert_array_equal(after.ravel()[order[half:]], expected)


def test_an_epoch_that_is_resumed_is_not_recycled_for_twice():
    net = kprune.select(two_layers(), "edge_popup", 0.5, seed=1)
    one, other = WeightRecycling(0.5, every=1), WeightRecycling(0.5, every=1)
    for callback in (one, other):
        callback.set_model(net)
        callback.on_train_begin()
    one.on_epoch_begin(1)
    before = kernels(net)
    for layer in net.layers:  # Scores that would move weights elsewhere.
        scores = layer.parts["kernel"].scores
        scores.assign(np.roll(scores, 2))
    other.set_state(one.get_state())
    other.on_epoch_begin(1)
    assert_same(kernels(net), before)
    other.on_epoch_begin(2)
    assert any(
        (a != b).any() for a, b in zip(kernels(net), before, strict=True)
    )


@pytest.mark.parametrize("rate", [0, 0.6, True, "1"])
def test_rates_that_do_not_fit(rate):
    with pytest.raises(ValueError, match="`rate`"):
        WeightRecycling(rate)


@pytest.mark.parametrize("method", [None, "supermask", "gem_miner"])
def test_models_that_do_not_fit(method):
    model = two_layers()
    net = model if method is None else kprune.select(model, method)
    callback = WeightRecycling()
    callback.set_model(net)
    with pytest.raises(ValueError, match="`edge_popup` or `biprop`, which"):
        callback.on_train_begin()
