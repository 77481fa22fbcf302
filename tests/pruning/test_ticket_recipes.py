"""Tickets by smart ratios, of Su et al., 2020."""

import keras
import numpy as np
import pytest
from networks import sequential

import kprune


def net(seed=None):
    convolutions = [
        keras.layers.Conv2D(4, 3, padding="same", name=name) for name in "abc"
    ]
    pool, fc = keras.layers.Flatten(), keras.layers.Dense(10, name="fc")
    return sequential((1, 1, 4), *convolutions, pool, fc, seed=seed)


def masks(method, model=None, **options):
    pruned = kprune.prune(model or net(), method, 0.75, verbose=0, **options)
    return kprune.get_masks(pruned)


def counts(*given, **options):
    return [int(mask.sum()) for mask in masks(*given, **options).values()]


@pytest.mark.parametrize("method", ["random_tickets", "hybrid_tickets"])
def test_what_each_layer_keeps(method):
    # 144 of each convolution and 40 of the matrix: 472, of which 118 stay.
    # The matrix keeps 12; 106 are shared 20 : 12 : 6 = 55.8, 33.5, 16.7.
    assert counts(method) == [56, 33, 17, 12]
    # Divided by 1, 4 and 9: 20, 3 and 2/3, of 71/3: 89.6, 13.4 and 3.0.
    assert counts(method, vgg=True) == [90, 13, 3, 12]
    # In equal shares 35.3 each; the one that is missing goes to the first.
    assert sorted(counts(method, curve="uniform")) == [12, 35, 35, 36]


def test_random_tickets_are_random_and_hybrid_ones_the_largest():
    model = net(seed=1)
    kernel = np.abs(model.get_layer("a").kernel.numpy())
    one, other, hybrid = (
        masks(f"{kind}_tickets", model, seed=seed)["a/kernel"]
        for kind, seed in [("random", 1), ("random", 2), ("hybrid", 1)]
    )
    assert (one != other).any()
    assert kernel[hybrid].min() > kernel[~hybrid].max()


def test_options_are_checked():
    with pytest.raises(ValueError, match="Did you mean 'cubic'"):
        masks("random_tickets", curve="cubik")
    with pytest.raises(ValueError, match="Did you mean 'linear'"):
        masks("random_tickets", linar=0.5)
