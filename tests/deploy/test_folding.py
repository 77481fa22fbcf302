"""What constants that go leave behind, worked out by hand."""

import keras
import numpy as np
import pytest
from building import channels, set_values, shrunk, zeroed
from networks import sequential

from kprune.deploy.shrink import plan

layers = keras.layers


def mlp(activation="relu", use_bias=True):
    model = sequential(
        (2,),
        layers.Dense(3, activation, name="a"),
        layers.Dense(2, use_bias=use_bias, name="b"),
    )
    set_values(
        model,
        a_kernel=[[1, 0, 2], [3, 0, 4]],
        b_kernel=[[1, 2], [3, 4], [5, 6]],
    )
    if use_bias:
        set_values(model, a_bias=[0, 5, 0], b_bias=[10, 20])
    return model


def test_the_constant_of_a_unit_goes_into_the_next_bias():
    small = shrunk(mlp())
    # Unit 1 gives relu(5) = 5, and 5 * [3, 4] goes to the bias.
    a, b = small.get_layer("a"), small.get_layer("b")
    np.testing.assert_array_equal(a.kernel, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(a.bias, [0, 0])
    np.testing.assert_array_equal(b.kernel, [[1, 2], [5, 6]])
    np.testing.assert_array_equal(b.bias, [25, 40])
    # relu(-5) = 0 leaves nothing behind.
    model = mlp()
    set_values(model, a_bias=[0, -5, 0])
    np.testing.assert_array_equal(shrunk(model).get_layer("b").bias, [10, 20])


def test_a_unit_that_nobody_reads_goes_with_what_it_alone_reads():
    model = sequential(
        (2,),
        layers.Dense(2, "relu", name="a"),
        layers.Dense(2, "relu", name="b"),
        layers.Dense(1, name="c"),
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
    model = mlp("sigmoid", use_bias=False)
    described = plan(model)
    # sigmoid(0) = 1/2.
    small = shrunk(model)
    np.testing.assert_array_equal(small.get_layer("b").bias, [1.5, 2])
    assert described.parameters == (15, 2 * 2 + 2 + 2 * 2 + 2)
    assert small.count_params() == 12


def test_the_mean_of_a_batch_normalization_takes_a_constant():
    model = sequential(
        (4, 4, 1),
        layers.Conv2D(2, 1, name="a"),
        layers.Conv2D(2, 3, use_bias=False, name="b"),
        layers.BatchNormalization(name="norm"),
    )
    zeroed(model, a=[1])
    set_values(model, a_bias=[1, 2], b_kernel=np.ones((3, 3, 2, 2)))
    mean = model.get_layer("norm").moving_mean.numpy()
    small = shrunk(model)
    # 2 at each of nine taps: x + 18 - mean = x - (mean - 18).
    assert not small.get_layer("b").use_bias
    after = small.get_layer("norm").moving_mean.numpy()
    np.testing.assert_allclose(after, mean - 18, rtol=1e-6)


def test_a_constant_that_passes_batch_normalization_is_computed():
    model = sequential(
        (2,),
        layers.Dense(2, use_bias=False, name="a"),
        layers.BatchNormalization(epsilon=0.0, name="norm"),
        layers.Dense(1, name="b"),
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
    last = layers.Flatten(name="flat"), layers.Dense(2, name="out")
    model = sequential((5, 5, 1), layers.Conv2D(4, 1, name="a"), second, *last)
    zeroed(model, a=[1, 2, 3])
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
    bias = model.get_layer("b").bias
    np.testing.assert_array_equal(small.get_layer("b").bias, bias)
    assert after.shape == (3, 3, 2, 3)
    assert plan(model).rows[0].why == (
        "1 of constant value: for all constants into 'b', which pads with zeros"
    )


@pytest.mark.parametrize(
    "bias, second, kept",
    [
        # A 1 x 1 kernel meets no padding.
        ([1, 2, 3, 4], layers.Conv2D(3, 1, padding="same", name="b"), 1),
        # One constant takes over the others.
        ([1, 2, -4, 0], layers.Conv2DTranspose(3, 3, 2, name="b"), 2),
    ],
    ids=["1x1", "transposed"],
)
def test_constants_before_other_convolutions(bias, second, kept):
    model = padded(bias, second)
    assert channels(shrunk(model), "a", "b") == [kept, 3]


def test_before_a_padded_separable_convolution_only_zeros_go():
    second = layers.SeparableConv2D(3, 3, padding="same", name="b")
    model = padded([1, 2, -4, 0], second)
    assert channels(shrunk(model), "a") == 3
    assert plan(model).rows[0].why == (
        "2 of constant value: 'b' pads it with zeros, which it is not"
    )


def test_an_unpadded_separable_convolution_takes_constants():
    options = {"depth_multiplier": 2, "use_bias": False, "name": "b"}
    model = padded([1, 2, -4, 0], layers.SeparableConv2D(3, 3, **options))
    small = shrunk(model)
    assert channels(small, "a", "b") == [1, 3]
    assert small.get_layer("b").pointwise_kernel.shape == (1, 1, 2, 3)


def test_a_border_of_zeros_makes_a_constant_vary():
    model = sequential(
        (4, 4, 1),
        layers.Conv2D(4, 1, name="a"),
        layers.ZeroPadding2D(1, name="pad"),
        layers.Conv2D(2, 3, name="b"),
    )
    zeroed(model, a=[1, 2])
    set_values(model, a_bias=[1, 2, 0, 3])
    assert channels(shrunk(model), "a") == 3
    assert plan(model).rows[0].why == (
        "1 of constant value: 'b' reads it, where it is not constant"
    )
