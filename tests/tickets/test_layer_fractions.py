"""The fractions of the original paper, by layer."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import sequential

import kprune
from kprune.tickets import layer_fractions


def test_output_layers_lose_half_as_much():
    assert layer_fractions(kprune.models.lenet_300_100()) == {
        "fc1/kernel": 0.2,
        "fc2/kernel": 0.2,
        "fc3/kernel": 0.1,
    }


def test_convolutions_lose_less():
    found = layer_fractions(
        kprune.models.conv2(input_shape=(8, 8, 1)), convolution=0.15
    )
    kinds = {name.split("/")[0]: p for name, p in found.items()}
    assert kinds == {
        "conv1": 0.15,
        "conv2": 0.15,
        "fc1": 0.2,
        "fc2": 0.2,
        "fc3": 0.1,
    }


def search(**options):
    model = sequential(
        (25,),
        keras.layers.Dense(4, name="hidden"),
        keras.layers.Dense(25, name="middle"),
        keras.layers.Dense(4, name="logits"),
        optimizer="sgd",
        loss="mse",
    )
    draws = np.random.default_rng(0)
    x = draws.normal(size=(8, 25)).astype("float32")
    y = draws.normal(size=(8, 4)).astype("float32")
    train = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
    training = kprune.tickets.Training(train, verbose=0)
    return kprune.tickets.imp(model, training, **options)


def kept(ticket):
    return {n.split("/")[0]: int(m.sum()) for n, m in ticket.masks.items()}


def test_each_layer_is_pruned_by_its_own_fraction():
    fractions = {"hidden": 0.2, "logits/kernel": 0.1}
    # Of 100 each: x 0.8, x 0.64; x 0.9, x 0.81; what is not named stays.
    assert [kept(t) for t in search(levels=2, fraction=fractions)] == [
        {"hidden": 100, "middle": 100, "logits": 100},
        {"hidden": 80, "middle": 100, "logits": 90},
        {"hidden": 64, "middle": 100, "logits": 81},
    ]


def test_an_allocation_shares_out_what_is_left():
    *_, ticket = search(levels=1, allocation="uniform", exclude="middle")
    assert kept(ticket) == {"hidden": 80, "middle": 100, "logits": 80}
    assert ticket.sparsity == 0.2  # Of the 200 that take part.


def test_channels_are_pruned_with_what_reads_them():
    *_, ticket = search(levels=1, granularity="channel", fraction=0.25)
    masks = ticket.masks
    hidden = masks["hidden/kernel"].any(axis=0)
    middle = masks["middle/kernel"].any(axis=0)
    # Of 4 + 25 channels 0.75 x 29 = 21.75 stay; the outputs do not count.
    assert hidden.sum() + middle.sum() == 22
    every = np.ones(25, bool), np.ones(4, bool)
    for name, reads, makes in (
        ("hidden", every[0], hidden),
        ("middle", hidden, middle),
        ("logits", middle, every[1]),
    ):
        expected = np.outer(reads, makes)
        np.testing.assert_array_equal(masks[f"{name}/kernel"], expected)


def test_a_layer_that_is_emptied_is_named():
    def criterion(objective, weights, masks):
        return {
            name: np.full(w.shape, 0.0 if name == "logits/kernel" else 1.0)
            for name, w in weights.items()
        }

    with pytest.warns(UserWarning, match=r"From level 1 .*logits/kernel"):
        list(search(levels=1, fraction=0.4, method=criterion))
