"""How many paths, nodes and kernels are effective, by hand."""

import itertools

import keras
import numpy as np
import pytest
from networks import sequential

import kprune

layers = keras.layers


def masked(model, **masks):
    model = kprune.wrap(model)
    kprune.set_masks(model, {f"{n}/kernel": m for n, m in masks.items()})
    return kprune.report(model, multiply_adds=False)


def test_paths_of_dense_layers_are_a_product_of_matrices():
    rng = np.random.default_rng(0)
    a, b, c = (rng.random((4, 4)) < 0.5 for _ in range(3))
    stack = (layers.Dense(4, "relu", name=name) for name in "abc")
    found = masked(sequential((4,), *stack), a=a, b=b, c=c)
    paths = [
        path
        for path in itertools.product(range(4), repeat=4)
        if a[path[:2]] and b[path[1:3]] and c[path[2:]]
    ]
    assert found.effective_paths == len(paths) > 0
    nodes = {(step, path[step]) for path in paths for step in (1, 2, 3)}
    assert found.effective_outputs == len(nodes)
    assert found.kernels is found.effective_kernels is None


@pytest.mark.parametrize(
    "pooling, padding, expected",
    [("Average", "valid", 8), ("Max", "valid", 8), ("Max", "same", 9)],
)
def test_paths_through_a_convolution_and_pooling(pooling, padding, expected):
    # A row of 5, a window of 2: 4 places with 2 ways each. Pooling by windows
    # of 2: places 0-1 and 2-3. With same padding the row stays 5: the last
    # place has one way in and is a pooled place of its own: 4 x 2 + 1.
    model = sequential(
        (1, 5, 1),
        layers.Conv2D(1, (1, 2), padding=padding, name="c"),
        layers.BatchNormalization(),
        getattr(layers, f"{pooling}Pooling2D")((1, 2), padding=padding),
        layers.Flatten(),
        layers.Dense(1, name="d"),
    )
    found = kprune.report(model, multiply_adds=False)
    assert found.effective_paths == expected


def test_channels_first_count_alike():
    model = sequential(
        (1, 1, 5),
        layers.MaxPooling2D((1, 2), data_format="channels_first"),
        layers.Flatten(),
        layers.Dense(1, name="d"),
    )
    found = kprune.report(model, multiply_adds=False)
    assert found.effective_paths == 4


def test_kernels_and_nodes_of_a_residual_network():
    inputs = keras.Input((2, 2, 2))
    aside = layers.Conv2D(3, 1, name="aside")(inputs)
    x = layers.Conv2D(3, (1, 2), padding="valid", name="c")(inputs)
    aside = layers.Cropping2D(((0, 0), (0, 1)))(aside)
    x = layers.Add()([x, aside])
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(1, name="d")(x))
    c = np.zeros((1, 2, 2, 3), bool)
    c[0, 0, 0, 0] = c[0, 1, 0, 0] = c[0, 1, 1, 1] = True
    aside = np.zeros((1, 1, 2, 3), bool)
    aside[0, 0, 0, 2] = True
    found = masked(model, c=c, aside=aside, d=[[1], [0], [1]])
    # Channel 1 leads nowhere. Over the 2 places: 2 x 2 ways to channel 0 by
    # one kernel, 2 to channel 2 aside.
    assert found.effective_paths == 6
    assert (found.effective_kernels, found.kernels) == (2, 12)
    assert found.effective_outputs == 1 + 1 + 1
    rows = {row.name: row for row in found.rows}
    assert rows["c/kernel"].effective_kernels == 1
    assert rows["d/kernel"].kernels is None


def test_a_network_of_own_classes_has_no_number_of_paths():
    class Twice(layers.Layer):
        def call(self, x):
            return x + x

    stack = layers.Dense(3, name="a"), Twice(), layers.Dense(2, name="b")
    found = kprune.report(sequential((4,), *stack), multiply_adds=False)
    assert found.effective_paths is None
    assert found.effective_outputs == 5


def test_text_and_page_say_it():
    model = sequential(
        (2, 2, 1),
        layers.Conv2D(2, 2, name="c"),
        layers.Flatten(),
        layers.Dense(1, name="d"),
    )
    printed = []
    kprune.summary(model, print_fn=printed.append, multiply_adds=False)
    assert (
        "On a path from input to output: 3 of 3 units, 2 of 2 kernels; "
        "8 paths." in printed[0]
    )
    page = kprune.report(model, multiply_adds=False).to_html()
    for words in ("output units on a path", "kernels on a path", "<b>8</b>"):
        assert words in page
