"""Tickets by smart ratios, of Su et al., 2020."""

import keras
import numpy as np
import pytest
from networks import sequential

import kprune


def net():
    layers = [
        keras.layers.Conv2D(4, 3, padding="same", name=name) for name in "abc"
    ]
    return sequential(
        (4, 4, 4),
        *layers,
        keras.layers.GlobalAveragePooling2D(name="pool"),
        keras.layers.Dense(10, name="fc"),
    )


def masks(method, sparsity=0.75, **options):
    pruned = kprune.prune(net(), method, sparsity, verbose=0, **options)
    return kprune.get_masks(pruned)


def counts(found):
    return {name: int(mask.sum()) for name, mask in found.items()}


@pytest.mark.parametrize("method", ["random_tickets", "hybrid_tickets"])
def test_what_each_layer_keeps(method):
    # 144 of each convolution and 40 of the matrix: 472, of which 118 stay.
    # The matrix keeps 12; 106 are shared 20 : 12 : 6 = 55.8, 33.5, 16.7.
    assert counts(masks(method)) == {
        "a/kernel": 56,
        "b/kernel": 33,
        "c/kernel": 17,
        "fc/kernel": 12,
    }
    # Divided by 1, 4 and 9: 20, 3 and 2/3, of 71/3: 89.6, 13.4 and 3.0.
    assert counts(masks(method, vgg=True)) == {
        "a/kernel": 90,
        "b/kernel": 13,
        "c/kernel": 3,
        "fc/kernel": 12,
    }
    # In equal shares 35.3 each; the one that is missing goes to the first.
    assert sorted(counts(masks(method, curve="uniform")).values()) == [
        *(12, 35, 35, 36)
    ]


def test_random_tickets_are_random_and_hybrid_ones_the_largest():
    keras.utils.set_random_seed(1)
    model = net()
    kernel = np.abs(model.get_layer("a").kernel.numpy())

    def kept(method, seed):
        pruned = kprune.prune(model, method, 0.75, verbose=0, seed=seed)
        return kprune.get_masks(pruned)["a/kernel"]

    assert (kept("random_tickets", 1) != kept("random_tickets", 2)).any()
    hybrid = kept("hybrid_tickets", 1)
    assert kernel[hybrid].min() > kernel[~hybrid].max()


def test_options_are_checked():
    with pytest.raises(ValueError, match="Did you mean 'cubic'"):
        masks("random_tickets", curve="cubik")
    with pytest.raises(ValueError, match="Did you mean 'linear'"):
        masks("random_tickets", linar=0.5)
