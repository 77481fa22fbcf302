"""What constants that go leave behind, worked out by hand."""

import keras
import numpy as np
from building import channels, randomize, set_values, shrunk, zero_channels

from kprune.deploy.shrink import plan

layers = keras.layers


def mlp():
    model = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(3, "relu", name="a"),
            layers.Dense(2, name="b"),
        ]
    )
    set_values(
        model,
        a_kernel=[[1, 0, 2], [3, 0, 4]],
        a_bias=[0, 5, 0],
        b_kernel=[[1, 2], [3, 4], [5, 6]],
        b_bias=[10, 20],
    )
    return model


def test_the_constant_of_a_unit_goes_into_the_next_bias():
    small = shrunk(mlp())

    # Unit 1 gives relu(5) = 5, and 5 * [3, 4] goes to the bias.
    np.testing.assert_array_equal(small.get_layer("a").kernel, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(small.get_layer("a").bias, [0, 0])
    np.testing.assert_array_equal(small.get_layer("b").kernel, [[1, 2], [5, 6]])
    np.testing.assert_array_equal(small.get_layer("b").bias, [25, 40])


def test_what_a_rectifier_cuts_off_leaves_nothing():
    model = mlp()
    set_values(model, a_bias=[0, -5, 0])

    np.testing.assert_array_equal(shrunk(model).get_layer("b").bias, [10, 20])


def test_a_unit_that_nobody_reads_goes_with_what_it_alone_reads():
    model = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(2, "relu", name="a"),
            layers.Dense(2, "relu", name="b"),
            layers.Dense(1, name="c"),
        ]
    )
    set_values(
        model,
        a_kernel=[[1, 2], [3, 4]],
        b_kernel=[[1, 0], [0, 1]],
        c_kernel=[[1], [0]],
    )

    # c does not read b's unit 1, which alone reads a's unit 1.
    assert channels(shrunk(model), "a", "b") == [1, 1]


def test_a_layer_without_bias_is_given_one():
    model = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(3, "sigmoid", name="a"),
            layers.Dense(2, use_bias=False, name="b"),
        ]
    )
    set_values(
        model,
        a_kernel=[[1, 0, 2], [3, 0, 4]],
        b_kernel=[[1, 2], [3, 4], [5, 6]],
    )
    described = plan(model)

    # sigmoid(0) = 1/2.
    small = shrunk(model)
    np.testing.assert_array_equal(small.get_layer("b").bias, [1.5, 2])
    assert described.parameters == (15, 2 * 2 + 2 + 2 * 2 + 2)
    assert small.count_params() == 12


def test_the_mean_of_a_batch_normalization_takes_a_constant():
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            layers.Conv2D(2, 1, name="a"),
            layers.Conv2D(2, 3, use_bias=False, name="b"),
            layers.BatchNormalization(name="norm"),
        ]
    )
    randomize(model)
    zero_channels(model, "a", [1])
    set_values(model, a_bias=[1, 2], b_kernel=np.ones((3, 3, 2, 2)))
    mean = model.get_layer("norm").moving_mean.numpy()

    small = shrunk(model)

    # 2 at each of nine taps: x + 18 - mean = x - (mean - 18).
    assert not small.get_layer("b").use_bias
    after = small.get_layer("norm").moving_mean.numpy()
    np.testing.assert_allclose(after, mean - 18, rtol=1e-6)


def test_a_constant_that_passes_batch_normalization_is_computed():
    model = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(2, use_bias=False, name="a"),
            layers.BatchNormalization(epsilon=0.0, name="norm"),
            layers.Dense(1, name="b"),
        ]
    )
    set_values(
        model,
        a_kernel=[[1, 0], [1, 0]],
        norm_gamma=3,
        norm_beta=1,
        norm_moving_mean=-2,
        norm_moving_variance=4,
        b_kernel=[[1], [10]],
    )

    small = shrunk(model)

    # (0 + 2) / 2 * 3 + 1 = 4, ten times.
    np.testing.assert_allclose(small.get_layer("b").bias, [40])
    assert channels(small, "a", "norm") == [1, 1]


def padded(bias, second):
    model = keras.Sequential(
        [
            keras.Input((5, 5, 1)),
            layers.Conv2D(4, 1, name="a"),
            second,
            layers.Flatten(name="flat"),
            layers.Dense(2, name="out"),
        ]
    )
    randomize(model)
    zero_channels(model, "a", [1, 2, 3])
    set_values(model, a_bias=bias)
    return model


def test_before_padding_one_constant_takes_over_the_others():
    model = padded([1, 2, -4, 0], layers.Conv2D(3, 3, padding="same", name="b"))
    kernel = model.get_layer("b").kernel.numpy()

    small = shrunk(model)

    # Channel 3 is zero and goes; 2 is the larger constant and takes over 1,
    # which is -1/2 of it.
    merged = kernel[:, :, 2] - 0.5 * kernel[:, :, 1]
    after = small.get_layer("b").kernel.numpy()
    np.testing.assert_allclose(after[:, :, 0], kernel[:, :, 0])
    np.testing.assert_allclose(after[:, :, 1], merged, rtol=1e-6)
    np.testing.assert_array_equal(
        small.get_layer("b").bias, model.get_layer("b").bias
    )
    assert after.shape == (3, 3, 2, 3)
    why = plan(model).rows[0].why
    assert why == (
        "1 of constant value: for all constants into 'b', which pads with zeros"
    )


def test_a_1x1_kernel_meets_no_padding():
    model = padded([1, 2, 3, 4], layers.Conv2D(3, 1, padding="same", name="b"))

    assert channels(shrunk(model), "a") == 1


def test_a_transposed_convolution_has_one_constant_take_over():
    second = layers.Conv2DTranspose(3, 3, strides=2, name="b")
    model = padded([1, 2, -4, 0], second)

    small = shrunk(model)
    assert channels(small, "a", "b") == [2, 3]


def test_before_a_padded_separable_convolution_only_zeros_go():
    second = layers.SeparableConv2D(3, 3, padding="same", name="b")
    model = padded([1, 2, -4, 0], second)

    assert channels(shrunk(model), "a") == 3
    assert plan(model).rows[0].why == (
        "2 of constant value: 'b' pads it with zeros, which it is not"
    )


def test_an_unpadded_separable_convolution_takes_constants():
    second = layers.SeparableConv2D(
        3, 3, depth_multiplier=2, use_bias=False, name="b"
    )
    model = padded([1, 2, -4, 0], second)

    small = shrunk(model)
    assert channels(small, "a", "b") == [1, 3]
    assert small.get_layer("b").pointwise_kernel.shape == (1, 1, 2, 3)


def test_a_border_of_zeros_makes_a_constant_vary():
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            layers.Conv2D(4, 1, name="a"),
            layers.ZeroPadding2D(1, name="pad"),
            layers.Conv2D(2, 3, name="b"),
        ]
    )
    randomize(model)
    zero_channels(model, "a", [1, 2])
    set_values(model, a_bias=[1, 2, 0, 3])

    assert channels(shrunk(model), "a") == 3
    assert plan(model).rows[0].why == (
        "1 of constant value: 'b' reads it, where it is not constant"
    )
