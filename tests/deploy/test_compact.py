"""`compact`: units cut off by unstructured masks, and inputs nobody reads."""

import keras
import numpy as np
from building import assert_equal_outputs, channels, set_values, shrunk, zeroed
from lifecycle import saved_and_loaded
from networks import sequential

import kprune
from kprune.deploy.shrink import plan

layers = keras.layers


def chain():
    model = sequential(
        (2, 4, 1),
        layers.Flatten(name="flat"),
        layers.Dense(4, "relu", name="a"),
        layers.Dense(3, "relu", name="b"),
        layers.Dense(2, name="c"),
        name="chain",
    )
    a = np.zeros((8, 4))
    # Unit 3 has no input and gives relu(2). Unit 2, alone with pixel 6, is
    # read by b's unit 1 only, which c does not read. Pixels 1, 2 and 5 live.
    a[1, 0], a[2, 0], a[5, 1], a[6, 2] = 1, 2, 3, 4
    b = [[1, 0, 0], [0, 0, 2], [0, 3, 0], [0, 0, 4]]
    set_values(
        model,
        a_kernel=a,
        a_bias=[1, 0, 1, 2],
        b_kernel=b,
        b_bias=[0.5, 0.5, 0.5],
        c_kernel=[[1, 2], [0, 0], [3, 4]],
    )
    return model


def test_units_go_with_the_inputs_that_they_alone_read():
    model = chain()
    small = shrunk(model, kprune.compact)
    assert channels(small, "a", "b") == [2, 2]
    a = [[1, 0], [2, 0], [0, 3]]
    np.testing.assert_array_equal(small.get_layer("a").kernel, a)
    np.testing.assert_array_equal(small.get_layer("b").kernel, [[1, 0], [0, 2]])
    # 2 * 4 of a's unit 3 goes to b's unit 2.
    np.testing.assert_array_equal(small.get_layer("b").bias, [0.5, 8.5])
    assert small.input_shape == (None, 2, 4, 1)
    assert plan(model, compact=True).rows[0].why == "reads 3 of 8 inputs"
    assert plan(model, compact=True).parameters == (59, small.count_params())


def test_shrink_leaves_the_inputs_of_a_layer():
    small = shrunk(chain())
    assert small.get_layer("a").kernel.shape == (8, 2)
    assert type(small) is keras.Sequential


def test_a_gather_is_saved_and_exported(tmp_path):
    small = kprune.compact(chain(), verbose=0)
    assert_equal_outputs(small, saved_and_loaded(small, tmp_path))
    kprune.export(small, tmp_path / "saved")  # Checks the outputs itself.


def test_few_unread_inputs_are_not_worth_a_gather():
    wide = sequential((9,), layers.Dense(2, name="a"))
    for model, inputs, left in ((chain(), 8, 7), (wide, 9, 9)):
        kernel = np.ones((inputs, model.get_layer("a").units))
        kernel[0, 0] = kernel[7] = 0
        set_values(model, a_kernel=kernel)
        small = kprune.compact(model, verbose=0)
        assert small.get_layer("a").kernel.shape[0] == left


def test_a_dense_layer_reads_a_part_of_a_sum():
    inputs = keras.Input((4,), name="inputs")
    x = layers.Dense(8, name="a")(inputs)
    y = layers.Dense(8, name="b")(x)
    x = layers.Add(name="sum")([x, y])
    model = keras.Model(inputs, layers.Dense(2, name="c")(x), name="skip")
    small = shrunk(zeroed(model, 0, b=slice(6)), kprune.compact)
    assert small.get_layer("b").kernel.shape == (2, 8)
    assert small.get_layer("c").kernel.shape == (8, 2)


def test_an_mlp_at_98_percent_loses_most_of_itself():
    model = kprune.models.fc((200, 50), input_shape=(300,), seed=0)
    model = kprune.prune(model, "random", 0.98, on_collapse="ignore")
    stripped = kprune.strip(model)
    small = shrunk(stripped, kprune.compact)
    assert stripped.count_params() > 4 * small.count_params()
    # Lossless: all weights on a path are there still.
    kept = kprune.report(stripped).effective_kept
    assert kprune.report(small, paths=False).kept >= kept


class Chain(keras.Sequential):
    """A class of the user's own, perhaps with a training step of its own."""


def test_a_class_of_ones_own_stays():
    model = Chain([keras.Input((4,)), layers.Dense(2, name="a")], name="own")
    set_values(model, a_kernel=[[1, 2], [0, 0], [0, 0], [3, 4]])
    small = kprune.compact(model, verbose=0)
    assert type(small) is Chain
    assert small.get_layer("a").kernel.shape == (4, 2)
