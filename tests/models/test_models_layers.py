"""Padding, pooling, shortcuts and scales, against NumPy and by hand."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from kprune import models
from kprune.models import layers


def part(model, first, last):
    """The model from the output of layer `first` to that of `last`."""
    ends = (model.get_layer(name).output for name in (first, last))
    return keras.Model(*ends)


def shaped(name, **options):
    """Builds a model without values: only its layers are asked for."""
    with keras.StatelessScope(initialize_variables=False):
        return models.get(name, **options)


def outputs(model, names, x):
    tensors = [model.get_layer(name).output for name in names]
    return [t.numpy() for t in keras.Model(model.input, tensors)(x)]


def windows(x, size, stride, padding, value):
    """Yields (row, column, window) as PyTorch would see them."""
    widths = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    x = np.pad(x, widths, constant_values=value)
    for i in range((x.shape[1] - size) // stride + 1):
        for j in range((x.shape[2] - size) // stride + 1):
            top, left = i * stride, j * stride
            yield i, j, x[:, top : top + size, left : left + size]


def images(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def blocks(model):
    return [x for x in model.layers if isinstance(x, keras.layers.Add)]


def test_stride_two_pads_one_on_every_side():
    inputs = keras.Input((4, 4, 1))
    conv = layers.Layers("ones").conv(inputs, 1, 3, "conv", stride=2)
    x = np.arange(16.0).reshape(1, 4, 4, 1)
    sums = keras.Model(inputs, conv)(x)[0, :, :, 0]
    # 0+1+4+5, 1+2+3+5+6+7; 4+5+8+9+12+13, 5+6+7+9+10+11+13+14+15. Keras'
    # own "same" would start at 0+1+2+4+5+6+8+9+10.
    np.testing.assert_array_equal(sums, [[10, 24], [51, 90]])


def test_imagenet_stem_is_torchs():
    model = models.resnet18(stem="imagenet", input_shape=(8, 9, 3), seed=0)
    x = images(2, 8, 9, 3)
    conv, rectified, pooled = outputs(model, ["conv1", "relu1", "pool1"], x)
    kernel = model.get_layer("conv1").kernel.numpy()
    for i, j, window in windows(x, 7, 2, 3, value=0):
        expected = np.tensordot(window, kernel, 3)
        np.testing.assert_allclose(conv[:, i, j], expected, atol=1e-4)
    assert conv.shape[1:3] == (i + 1, j + 1)
    for i, j, window in windows(rectified, 3, 2, 1, value=-np.inf):
        np.testing.assert_array_equal(pooled[:, i, j], window.max((1, 2)))
    assert pooled.shape[1:3] == (i + 1, j + 1)


@pytest.mark.parametrize(
    "name, before",
    [
        ("resnet18", "stage1_block2_relu"),
        ("resnet20", "stage1_block3_relu"),
        ("wrn_16_4", "stage2_block1_relu1"),
    ],
)
def test_stride_two_of_a_block_is_torchs(name, before):
    model = models.get(name, input_shape=(8, 9, 3), seed=0)
    conv = model.get_layer("stage2_block1_conv1")
    x, y = outputs(model, [before, conv.name], images(1, 8, 9, 3))
    for i, j, window in windows(x, 3, 2, 1, value=0):
        expected = np.tensordot(window, conv.kernel.numpy(), 3)
        np.testing.assert_allclose(y[:, i, j], expected, atol=1e-4)
    assert y.shape[1:3] == (i + 1, j + 1) == (4, 5)


def test_bottlenecks_have_their_stride_and_width_in_the_middle():
    model = shaped("wide_resnet50", input_shape=(8, 8, 3))
    names = ("conv1", "conv2", "conv3", "shortcut_conv")
    convs = [model.get_layer(f"stage2_block1_{name}") for name in names]
    assert [conv.strides[0] for conv in convs] == [1, 2, 1, 2]
    filters = [
        model.get_layer(f"stage1_block1_conv{i}").filters for i in (1, 2, 3)
    ]
    assert filters == [128, 128, 256]


def test_option_a_takes_every_second_pixel_and_pads_channels():
    model = models.resnet20(shortcut="pad", input_shape=(8, 9, 3), width=2)
    shortcut = part(model, "stage1_block3_relu", "stage2_block1_shortcut_pad")
    x = tf.constant(images(2, 8, 9, 32))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = shortcut(x)
        total = tf.reduce_sum(3 * y)
    # From 32 to 64 channels: 16 zeros on either side.
    expected = np.zeros((2, 4, 5, 64))
    expected[..., 16:-16] = x[:, ::2, ::2]
    np.testing.assert_array_equal(y, expected)
    expected = np.zeros(x.shape)
    expected[:, ::2, ::2] = 3
    np.testing.assert_array_equal(tape.gradient(total, x), expected)


@pytest.mark.parametrize(
    "name, count",
    [
        ("resnet18", 8),
        ("resnet50", 16),
        ("resnet101", 33),
        ("resnet20", 9),
        ("wrn_28_2", 12),
    ],
)
def test_stable_resnet_scales_by_the_number_of_blocks(name, count):
    model = shaped(name, stable=True, input_shape=(8, 8, 3))
    scales = [x.scale for x in model.layers if "_scale" in x.name]
    assert scales == pytest.approx([1 / math.sqrt(count)] * count)
    assert len(blocks(model)) == count


PLAIN = ("resnet20", "wrn_16_4")
ADDED = {
    "resnet18": [
        ("stage1_block2_bn2", "stage1_block1_relu"),
        ("stage2_block1_bn2", "stage2_block1_shortcut_bn"),
    ],
    "resnet50": [("stage1_block1_bn3", "stage1_block1_shortcut_bn")],
    "resnet20": [("stage3_block2_bn2", "stage3_block1_relu")],
    "wrn_16_4": [
        ("stage1_block2_conv2", "stage1_block1_add"),
        ("stage1_block1_conv2", "stage1_block1_shortcut_conv"),
    ],
}


@pytest.mark.parametrize(
    "name, stable",
    [*((name, True) for name in ADDED), *((name, False) for name in PLAIN)],
)
def test_blocks_add_the_end_of_the_branch(name, stable):
    model = models.get(name, stable=stable, input_shape=(8, 8, 3), seed=0)
    scale = 1 / math.sqrt(len(blocks(model))) if stable else 1
    for last, shortcut in ADDED[name]:
        add = f"{last.rpartition('_')[0]}_add"
        x = images(2, 8, 8, 3)
        branch, short, added = outputs(model, [last, shortcut, add], x)
        assert np.std(branch) > 0.01 and np.std(short) > 0.01
        np.testing.assert_allclose(added, short + scale * branch, atol=1e-4)
    rescaled = [x for x in model.layers if "Rescaling" in type(x).__name__]
    assert bool(rescaled) == stable


def test_stable_resnet_has_the_same_weights():
    options = {"input_shape": (8, 8, 3), "seed": 0}
    plain = models.resnet20(**options)
    stable = models.resnet20(stable=True, **options)
    # By name: Keras orders layers by their depth, which the scales change.
    others = {w.path: w for w in stable.weights}
    assert len(others) == len(plain.weights)
    for weight in plain.weights:
        np.testing.assert_array_equal(weight, others[weight.path])
    x = images(2, 8, 8, 3)
    assert np.abs(plain(x) - stable(x)).max() > 0.01


def test_wrn_shortcut_with_weights_starts_after_the_activation():
    model = shaped("wrn", depth=10, width=2)
    conv = model.get_layer("stage1_block1_shortcut_conv")
    assert conv.input is model.get_layer("stage1_block1_relu1").output


@pytest.mark.parametrize("name", ["vgg11", "resnet20"])
def test_batch_norm_has_torchs_constants(name):
    model = shaped(name)
    kind = keras.layers.BatchNormalization
    norms = [x for x in model.layers if isinstance(x, kind)]
    assert len(norms) >= 8
    assert {(x.momentum, x.epsilon) for x in norms} == {(0.9, 1e-5)}


@pytest.mark.parametrize(
    "name, expected",
    [
        ("vgg11", "64 M 128 M 256 256 M 512 512 M 512 512"),
        ("vgg13", "64 64 M 128 128 M 256 256 M 512 512 M 512 512"),
        ("vgg16", "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512"),
        (
            "vgg19_bn",
            "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M "
            "512 512 512 512 M",
        ),
    ],
)
def test_vgg_has_its_filters_and_pools_in_order(name, expected):
    model = shaped(name)
    kinds = (keras.layers.Conv2D, keras.layers.MaxPooling2D)
    found = [x for x in model.layers if isinstance(x, kinds)]
    found = [str(getattr(x, "filters", "M")) for x in found]
    assert " ".join(found) == expected


def test_vgg_takes_the_mean_of_what_four_pools_leave():
    model = models.vgg11(input_shape=(64, 32, 3), seed=0)
    last, mean = outputs(model, ["block5_relu2", "mean"], images(1, 64, 32, 3))
    assert last.shape == (1, 4, 2, 512)
    np.testing.assert_allclose(mean, last.mean((1, 2)), atol=1e-5)


@pytest.mark.parametrize("name", ["fc", "lenet5", "conv2"])
def test_activation_is_that_of_all_hidden_layers(name):
    model = shaped(name, activation="sigmoid")
    weighted = [x for x in model.layers if hasattr(x, "activation")]
    *hidden, last = [x.activation for x in weighted]
    assert set(hidden) == {keras.activations.sigmoid}
    assert last is keras.activations.linear
