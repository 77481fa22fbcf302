"""Masks found on one task, on the network of another."""

import numpy as np
import pytest

import kprune
from kprune import tickets


def net(classes, seed=0):
    return kprune.models.fc(
        (12, 8), input_shape=(4, 4, 1), classes=classes, seed=seed
    )


@pytest.mark.parametrize("values", [False, True])
def test_masks_go_and_the_classifier_stays_dense(values):
    ticket = kprune.prune(net(10), "magnitude", 0.75)
    ticket.get_layer("fc1").layer.bias.assign(np.arange(12))
    model = net(3, seed=1)
    with pytest.warns(UserWarning, match="stay dense.*: fc3/kernel"):
        result = tickets.transfer(ticket, model, values=values)
    before, after = kprune.get_masks(ticket), kprune.get_masks(result)
    for name in ("fc1/kernel", "fc2/kernel"):
        np.testing.assert_array_equal(after[name], before[name])
    assert after["fc3/kernel"].all()
    source = ticket.get_layer("fc1").layer if values else model.get_layer("fc1")
    layer = result.get_layer("fc1").layer
    expected = np.where(before["fc1/kernel"], source.kernel, 0)
    np.testing.assert_array_equal(layer.kernel, expected)
    np.testing.assert_array_equal(layer.bias, source.bias)
    np.testing.assert_array_equal(
        result.get_layer("fc3").layer.kernel, model.get_layer("fc3").kernel
    )


def test_nothing_fits():
    ticket = kprune.prune(net(10), "magnitude", 0.75)
    with pytest.raises(ValueError, match="No mask of the ticket fits"):
        tickets.transfer(ticket, kprune.models.lenet5())
    with pytest.raises(ValueError, match="is pruned already"):
        tickets.transfer(ticket, kprune.prune(net(3), "random", 0.5))
    with pytest.raises(ValueError, match="has no masks"):
        tickets.transfer(net(10), net(3))
