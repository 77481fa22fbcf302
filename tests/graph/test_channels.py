"""Which entries belong to which channels, on networks small enough to see."""

import keras
import numpy as np
import pytest
from lifecycle import unchanged
from networks import sequential

import kprune
from kprune.graph import channels
from kprune.masking import weights

layers = keras.layers


def groups(found, name, number):
    """Returns the groups along an axis of a variable."""
    (axis,) = [a for a in found.axes[name] if a.number == number]
    return axis.groups.tolist()


def residual():
    x = keras.Input((6, 6, 3))
    h = layers.Conv2D(4, 3, padding="same", name="stem")(x)
    b = layers.Conv2D(5, 3, padding="same", name="inner")(h)
    b = layers.BatchNormalization(name="bn")(b)
    b = layers.Conv2D(4, 3, padding="same", name="outer")(b)
    h = layers.Add(name="add")([h, b])
    h = layers.Flatten(name="flatten")(h)
    return keras.Model(x, layers.Dense(2, name="fc")(h))


def test_what_is_added_goes_together_and_what_is_flattened_repeats():
    found = channels.build_channel_map(residual())
    stem = groups(found, "stem/kernel", 3)
    assert len(set(stem)) == 4
    assert groups(found, "outer/kernel", 3) == stem
    assert groups(found, "inner/kernel", 2) == stem
    assert groups(found, "fc/kernel", 0) == 36 * stem
    inner = groups(found, "inner/kernel", 3)
    assert len(set(inner)) == 5 and not set(inner) & set(stem)
    assert groups(found, "outer/kernel", 2) == inner
    assert groups(found, "bn/gamma", 0) == inner
    assert groups(found, "bn/moving_mean", 0) == inner
    assert groups(found, "inner/bias", 0) == inner
    assert set(groups(found, "fc/kernel", 1)) == set(found.outputs.tolist())
    whole = groups(found, "stem/kernel", 2)
    reasons = {found.why[g] for g in whole}
    assert reasons == {"the model's input keeps its shape"}
    assert not set(found.why) & {*stem, *inner}
    reads = {a.number: a.reads for a in found.axes["inner/kernel"]}
    assert reads == {2: True, 3: False}
    assert [a.reads for a in found.axes["bn/gamma"]] == [False]


def test_depthwise_and_separable_kernels():
    model = sequential(
        (6, 6, 3),
        layers.Conv2D(4, 1, name="a"),
        layers.DepthwiseConv2D(3, depth_multiplier=2, name="b"),
        layers.SeparableConv2D(5, 3, depth_multiplier=2, name="c"),
        layers.GlobalAveragePooling2D(name="pool"),
        layers.Dense(2, name="d"),
    )
    found = channels.build_channel_map(model)
    a = groups(found, "a/kernel", 3)
    assert groups(found, "b/kernel", 2) == a
    (axis,) = found.axes["b/kernel"]
    assert not axis.reads
    # Channel 0 of a becomes 0 and 1 of b, which stay or go with it.
    assert groups(found, "b/bias", 0) == np.repeat(a, 2).tolist()
    assert groups(found, "c/depthwise_kernel", 2) == np.repeat(a, 2).tolist()
    assert groups(found, "c/pointwise_kernel", 2) == np.repeat(a, 4).tolist()
    assert all(axis.reads for axis in found.axes["c/depthwise_kernel"])


def test_a_layer_without_a_rule_holds_its_channels():
    model = sequential(
        (5, 4),
        layers.Dense(6, name="a"),
        layers.EinsumDense("abc,bcd->abd", (5, 3), name="x"),
        layers.Dense(4, name="b"),
        layers.Dense(2, name="c"),
    )
    found = channels.build_channel_map(model)
    reasons = {found.why[g] for g in groups(found, "a/kernel", 1)}
    why = "its equation is not that of a dense layer"
    assert reasons == {f"'x' (EinsumDense): {why}"}
    assert found.unfit["x/kernel"] == why
    assert not set(groups(found, "b/kernel", 1)) & set(found.why)


@pytest.mark.parametrize("wrapped", [False, True])
def test_names_are_those_of_the_weights(wrapped):
    stack = layers.Dense(6, name="fc"), layers.ReLU()
    inner = sequential((8,), *stack, name="inner")
    x = keras.Input((8,))
    model = keras.Model(x, layers.Dense(2, name="fc")(inner(x)))
    if wrapped:
        model = kprune.wrap(model)
    named = dict(weights.named(model))
    names = ["fc/kernel", "fc/bias", "inner/fc/kernel", "inner/fc/bias"]
    assert sorted(named) == sorted(names)
    for weight in weights.find(model):
        assert named[weight.name] is weight.variable
    found = channels.build_channel_map(model)
    assert groups(found, "fc/kernel", 0) == groups(found, "inner/fc/kernel", 1)


def test_the_map_is_made_once_and_the_model_is_left_alone():
    model = residual()
    with unchanged(model):
        found = channels.build_channel_map(model)
    assert channels.build_channel_map(model) is found


def test_a_model_that_was_given_other_layers_has_another_map():
    model = sequential(
        (4,), layers.Dense(6, name="a"), layers.Dense(2, name="b")
    )
    before = channels.build_channel_map(model)
    assert set(groups(before, "b/kernel", 1)) == set(before.outputs.tolist())
    model.pop()
    model.add(layers.Dense(5, name="b"))
    model.add(layers.Dense(2, name="c"))
    after = channels.build_channel_map(model)
    assert len(groups(after, "b/kernel", 1)) == 5
    assert groups(after, "c/kernel", 0) == groups(after, "b/kernel", 1)
    assert not set(groups(after, "b/kernel", 1)) & set(after.outputs.tolist())


def test_attention_may_be_called_with_one_tensor_or_two():
    x, y = keras.Input((4, 6)), keras.Input((5, 6))
    attention = layers.MultiHeadAttention(2, 3, name="mha")
    h = layers.Add(name="sum")([attention(x, x), attention(x, y)])
    model = keras.Model([x, y], layers.Dense(2, name="out")(h))
    heads = groups(
        channels.build_channel_map(model), "mha/query_dense/kernel", 1
    )
    assert len(set(heads)) == 2


def test_heads_with_adapters_stay():
    inputs = keras.Input((4, 8))
    attend = layers.MultiHeadAttention(2, 4, name="attend")
    model = keras.Model(inputs, attend(inputs, inputs))
    assert not channels.build_channel_map(model).unfit
    attend.query_dense.enable_lora(2)
    model = keras.Model(model.inputs, model.outputs)
    why = channels.build_channel_map(model).unfit.values()
    assert set(why) == {"quantized or with LoRA"}
