"""Channels that go together, layer by layer."""

import keras
import numpy as np
import pytest
from building import channels, set_values, shrunk, zero_channels, zeroed
from networks import sequential

import kprune
from kprune.deploy.shrink import plan
from kprune.graph import flows

layers = keras.layers


def between(*middle, gone=(0, 3, 4)):
    """A model with channels of `a` zeroed, and some layers between it and a
    layer that takes any constant."""
    first = layers.Conv2D(6, 3, use_bias=False, name="a")
    pool = layers.GlobalAveragePooling2D(name="pool")
    last = pool, layers.Dense(3, name="out")
    return zeroed(sequential((6, 6, 2), first, *middle, *last), a=list(gone))


def joined(merge, *shape, units=3, **places):
    """Two dense layers, `a` and `b`, joined, with channels of them zeroed."""
    inputs = keras.Input(shape)
    parts = [layers.Dense(units, name=name)(inputs) for name in "ab"]
    outputs = layers.Dense(2, name="out")(merge(parts))
    return zeroed(keras.Model(inputs, outputs), **places)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Activation("gelu", name="x"),
        layers.AveragePooling2D(2, padding="same", name="x"),
        layers.BatchNormalization(name="x"),
        layers.BatchNormalization(center=False, scale=False, name="x"),
        layers.Cropping2D(1, name="x"),
        layers.DepthwiseConv2D(3, name="x"),
        layers.DepthwiseConv2D(3, padding="same", name="x"),
        layers.Dropout(0.5, name="x"),
        layers.ELU(name="x"),
        layers.GaussianNoise(1.0, name="x"),
        layers.GroupNormalization(-1, name="x"),
        layers.LeakyReLU(name="x"),
        layers.MaxPooling2D(2, padding="same", name="x"),
        layers.Permute((2, 1, 3), name="x"),
        layers.PReLU(name="x"),
        layers.PReLU(shared_axes=[1, 2], name="x"),
        layers.PReLU(shared_axes=[1, 2, 3], name="x"),
        layers.ReLU(max_value=6, name="x"),
        layers.Rescaling(2.0, 1.0, name="x"),
        layers.SpatialDropout2D(0.5, name="x"),
        layers.UpSampling2D(2, name="x"),
        layers.ZeroPadding2D(1, name="x"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_channel_goes_through(layer):
    model = between(type(layer).from_config(layer.get_config()))
    assert channels(shrunk(model), "a", "x") == [3, 3]


@pytest.mark.parametrize(
    "layer",
    [
        layers.LayerNormalization(name="x"),
        layers.RMSNormalization(name="x"),
        layers.UnitNormalization(name="x"),
        layers.Softmax(name="x"),
        layers.Activation("softmax", name="x"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_what_mixes_channels_keeps_them(layer):
    model = between(type(layer).from_config(layer.get_config()))
    assert channels(shrunk(model), "a") == 6
    assert "mix" in plan(model).rows[0].why
    assert plan(model).rows[0].why.startswith("3 of constant value: 'x'")


def test_depthwise_channels_go_with_their_input():
    model = between(layers.DepthwiseConv2D(3, depth_multiplier=2, name="x"))
    assert channels(shrunk(model), "a", "x") == [3, 6]
    model = between(layers.DepthwiseConv2D(3, name="x"), gone=())
    zero_channels(model, "x", [1, 2], axis=-2)
    assert channels(shrunk(model), "a", "x") == [4, 4]


def test_groups_go_as_a_whole():
    # Inputs 0 and 1 are group 0; 4 is half of group 2.
    convolved = layers.Conv2D(9, 3, groups=3, name="x"), 6
    normalized = layers.GroupNormalization(3, name="x"), 4
    for layer, left in (convolved, normalized):
        small = shrunk(between(layer, gone=(0, 1, 4)))
        assert channels(small, "a", "x") == [4, left]
        assert small.get_layer("x").groups == 2
    model = between(layers.GroupNormalization(3, name="x"), gone=())
    zero_channels(model, "out", [1, 2, 3], axis=0)
    # Channel 1, which nobody reads, is half of group 0; 2 and 3 are group 1.
    assert channels(shrunk(model), "a", "x") == [4, 4]


def test_flatten_and_reshape_are_followed():
    model = sequential(
        (4, 4, 2),
        layers.Conv2D(6, 3, name="a"),
        layers.Flatten(name="flat"),
        layers.Reshape((2, 2, 6), name="back"),
        layers.Reshape((-1, 12), name="wide"),
        layers.Dense(2, name="out"),
    )
    small = shrunk(zeroed(model, a=[0, 5]))
    widths = channels(small, "a", "flat", "back", "wide")
    assert widths == [4, 16, 4, 8]


def test_a_shape_that_mixes_channels_and_places_keeps_them():
    model = between(layers.Reshape((6, 4, 4), name="x"), gone=(0, 3))
    assert channels(shrunk(model), "a") == 6
    assert "it mixes channels with places" in plan(model).rows[0].why


def test_concatenated_channels_go_one_by_one():
    model = joined(layers.Concatenate(name="both"), 4, a=[1], b=[0, 2])
    assert channels(shrunk(model), "a", "b", "both") == [2, 1, 3]


def test_concatenated_places_are_constant_if_alike():
    both = layers.Concatenate(axis=1, name="both")
    model = joined(both, 2, 3, a=[0, 1], b=[0, 1])
    set_values(model, a_bias=[1, 2, 3], b_bias=[1, 0, 3])
    # Channel 0 is 1 everywhere, channel 1 is 2 here and 0 there.
    assert channels(shrunk(model), "a", "b") == [2, 2]


@pytest.mark.parametrize("merge", [layers.Add, layers.Subtract, layers.Maximum])
def test_a_sum_goes_where_all_that_it_adds_up_is_constant(merge):
    model = joined(merge(name="sum"), 4, units=5, a=[0, 1, 2], b=[2, 3])
    assert channels(shrunk(model), "a", "b") == [4, 4]
    assert plan(model).rows[0].why == (
        "2 of constant value: 'out' reads it, where it is not constant"
    )


def test_a_gate_of_zero_takes_the_channel_along():
    inputs = keras.Input((4, 4, 2))
    x = layers.Conv2D(5, 3, name="a")(inputs)
    gate = layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(x)
    gate = layers.Dense(5, "relu", name="excite")(gate)
    x = layers.Multiply(name="gated")([x, gate])
    x = layers.GlobalMaxPooling2D(name="pool")(x)
    model = keras.Model(inputs, layers.Dense(2, name="out")(x))
    zeroed(model, excite=[0, 1])
    set_values(model, excite_bias=[-1, 1, 1, 1, 1])
    zero_channels(model, "excite", [0], axis=0)  # It does not read channel 0.
    # relu(-1) = 0 shuts channel 0, relu(1) lets channel 1 through.
    assert channels(shrunk(model), "a", "excite") == [4, 4]


def test_arithmetic_is_followed():
    inputs = keras.Input((4, 4, 2))
    x = layers.Conv2D(5, 3, name="a")(inputs)
    y = layers.Conv2D(5, 3, name="b")(inputs)
    x = keras.ops.relu(x * 0.5 + y) / 3 - 1.0
    x = layers.GlobalMaxPooling2D(name="pool")(x)
    model = keras.Model(inputs, layers.Dense(2, name="out")(x))
    small = shrunk(zeroed(model, a=[0, 1], b=[1, 2]))
    assert channels(small, "a", "b") == [4, 4]


def test_an_embedding_loses_columns():
    inputs = keras.Input((None,), dtype="int32")
    x = layers.Embedding(7, 4, name="table")(inputs)
    model = keras.Model(inputs, layers.Dense(2, name="out")(x))
    table = np.random.default_rng(0).normal(size=(7, 4))
    table[:, 1] = 3
    model.get_layer("table").embeddings.assign(table)
    small = kprune.shrink(model, verbose=0)
    assert small.get_layer("table").output_dim == 3
    x = np.arange(7)[None]
    np.testing.assert_allclose(small(x), model(x), atol=1e-5)


@pytest.mark.parametrize("rank", [1, 3])
def test_convolutions_of_other_ranks(rank):
    kind = {1: layers.Conv1D, 3: layers.Conv3D}[rank]
    model = sequential(
        (5,) * rank + (2,),
        kind(4, 3, padding="same", name="a"),
        kind(4, 2, name="b"),
        layers.Flatten(name="flat"),
        layers.Dense(2, name="out"),
    )
    small = shrunk(zeroed(model, a=[1], b=[2, 3]))
    assert channels(small, "a", "b") == [3, 2]


def test_all_rules_are_for_layers_of_keras():
    assert len(flows.LAYERS) > 50
    assert all(issubclass(cls, layers.Layer) for cls in flows.LAYERS)
