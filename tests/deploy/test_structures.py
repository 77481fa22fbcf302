"""Nested and shared models, skip connections, layers that are left whole."""

import keras
import numpy as np
import pytest
from building import (
    channels,
    randomize,
    set_values,
    shrunk,
    zero_channels,
    zero_slices,
    zeroed,
)
from lifecycle import assert_same
from networks import sequential

import kprune
from kprune.deploy.shrink import plan

layers = keras.layers


def test_nested_models_shrink_within_and_at_their_borders():
    inner_inputs = keras.Input((4,), name="inner_inputs")
    x = layers.Dense(5, "relu", name="b")(inner_inputs)
    inner = keras.Model(
        inner_inputs, layers.Dense(4, name="c")(x), name="inner"
    )
    chain = sequential((4,), layers.Dense(3, name="d"), name="chain")
    inputs = keras.Input((3,), name="inputs")
    x = layers.Dense(4, "relu", name="a")(inputs)
    x = chain(inner(x))
    model = keras.Model(inputs, layers.Dense(2, name="out")(x), name="outer")
    zeroed(model, a=[0])
    zeroed(inner, b=[1, 2], c=[3])
    zeroed(chain, d=[0])
    inner.trainable = False
    inner.get_layer("c").trainable = True
    small = shrunk(model)
    nested, line = small.get_layer("inner"), small.get_layer("chain")
    assert channels(small, "a") == 3
    assert channels(nested, "inner_inputs", "b", "c") == [3, 3, 3]
    assert line.input_shape == (None, 3)
    assert channels(line, "d") == 2
    assert isinstance(line, keras.Sequential)
    assert not nested.trainable and nested.get_layer("c").trainable
    trainable = [v.path for v in small.trainable_variables]
    assert trainable == [
        *("a/kernel", "a/bias", "c/kernel", "c/bias"),
        *(v.path for v in line.trainable_variables),
        *("out/kernel", "out/bias"),
    ]


def test_a_shared_layer_keeps_what_one_of_its_calls_needs():
    inputs = keras.Input((4,))
    shared, norm = layers.Dense(4, name="shared"), layers.ReLU(name="relu")
    x = norm(shared(norm(shared(inputs))))
    model = keras.Model(inputs, layers.Dense(2, name="out")(x))
    zeroed(model, shared=[1])
    # Its input is the model's in the first call.
    assert channels(shrunk(model), "shared") == 4
    assert plan(model).rows[0].why == (
        "1 of constant value: the model's input keeps its shape"
    )


def test_a_shared_layer_reads_constants_that_agree():
    def build(bias):
        one, two = keras.Input((3,)), keras.Input((3,))
        shared = layers.Dense(2, name="shared")
        a = shared(layers.Dense(3, name="a")(one))
        b = shared(layers.Dense(3, name="b")(two))
        x = layers.Concatenate(name="both")([a, b])
        model = keras.Model([one, two], layers.Dense(2, name="out")(x))
        zeroed(model, a=[0, 1], b=[0, 1])
        set_values(model, a_bias=[1, 2, 0], b_bias=bias)
        return model

    assert channels(shrunk(build([1, 2, 0])), "a", "b") == [1, 1]
    assert channels(shrunk(build([1, 3, 0])), "a", "b") == [2, 2]


def test_a_nested_model_that_is_called_twice_has_one_width():
    rest = layers.ReLU(name="relu"), layers.Dense(3, name="b")
    inner = sequential((3,), *rest, name="inner")
    inputs = keras.Input((4,))
    x = inner(layers.Dense(3, name="a")(inputs))
    y = inner(layers.Dense(3, name="c")(inputs))
    x = layers.Add(name="sum")([x, y])
    model = keras.Model(inputs, layers.Dense(2, name="out")(x))
    zeroed(model, a=[0, 1], c=[1, 2])
    zeroed(inner, b=[2])
    set_values(model, a_bias=-1, c_bias=-1)
    small = shrunk(model)
    assert channels(small, "a", "c") == [2, 2]
    assert channels(small.get_layer("inner"), "b") == 2


def residual(*emptied):
    inputs = keras.Input((5, 5, 2), name="inputs")
    stem = layers.Conv2D(4, 1, name="stem")(inputs)
    x = layers.Conv2D(6, 3, padding="same", use_bias=False, name="a")(stem)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.Conv2D(4, 3, padding="same", name="b")(x)
    x = layers.Add(name="sum")([x, stem])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(inputs, layers.Dense(2, name="out")(x))
    return zeroed(model, **dict.fromkeys(emptied, slice(None)))


def test_a_branch_emptied_within_leaves_one_channel():
    model = residual("a")
    set_values(model, norm_beta=[1, 2, 4, 3, 2, 1], norm_moving_mean=0)
    small = shrunk(model)
    assert channels(small, "stem", "a", "b") == [4, 1, 4]
    (row,) = [row for row in plan(model).rows if row.layer == "a"]
    assert (row.before, row.after) == (6, 1)
    assert row.why.startswith("1 of constant value: for all constants into")
    # Emptied at its end: the sum goes on, so b keeps its width; it reads
    # nothing of a.
    model = residual("b")
    assert channels(shrunk(model), "stem", "a", "b") == [4, 1, 4]
    (row,) = [row for row in plan(model).rows if row.layer == "a"]
    assert row.after == 1


def test_a_model_emptied_throughout_keeps_one_channel_each():
    model = residual("stem", "a", "b")
    beside = layers.GlobalAveragePooling2D(name="beside")(model.input)
    joined = layers.Concatenate(name="joined")([model.output, beside])
    model = keras.Model(model.input, joined)
    small = kprune.shrink(model, verbose=0)
    assert channels(small, "stem", "a", "b", "out") == [1, 1, 1, 2]
    x = np.ones((1, 5, 5, 2), "float32")
    np.testing.assert_allclose(small(x), model(x), rtol=1e-5)
    assert "one channel has to be left" in plan(model).rows[0].why


class Doubled(layers.Layer):
    def call(self, inputs):
        return inputs * 2


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (Doubled(name="x"), "no rule for its class"),
        (
            layers.Lambda(lambda x: x[..., ::-1], name="x"),
            "no rule for its class",
        ),
        (
            layers.EinsumDense("abc,bcd->abd", (4, 3), name="x"),
            "its equation is not that of a dense layer",
        ),
    ],
)
def test_what_is_not_known_is_left_whole(layer, why):
    stack = layers.Dense(5, name="a"), layer, layers.Dense(6, name="b")
    model = sequential((4, 3), *stack, layers.Dense(2, name="out"))
    before = [np.array(v) for v in model.get_layer("x").variables]
    zero_channels(model, "a", [0])
    zero_channels(model, "b", [0])
    small = shrunk(model)
    assert channels(small, "a", "b") == [5, 5]
    assert plan(model).rows[0].why == (
        f"1 of constant value: 'x' ({type(layer).__name__}): {why}"
    )
    assert_same(small.get_layer("x").variables, before)


def test_attention_keeps_its_channels_and_what_lies_beside_it_shrinks():
    inputs = keras.Input((4, 6), name="inputs")
    attention = layers.MultiHeadAttention(2, 3, name="attention")
    x = layers.Add(name="sum")([inputs, attention(inputs, inputs)])
    x = layers.LayerNormalization(name="norm")(x)
    x = layers.Dense(8, "gelu", name="up")(x)
    model = keras.Model(inputs, layers.Dense(6, name="down")(x))
    zero_channels(model, "up", [0, 1, 2])
    small = shrunk(model)
    assert channels(small, "norm", "up", "down") == [6, 5, 6]
    rows = {row.layer: row for row in plan(model).rows}
    query = rows["attention/query_dense"]
    assert (query.before, query.after, query.why) == (2, 2, "counted in heads")
    assert rows["attention/output_dense"].why == "its channels stay"


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("part", ["value", "output"])
def test_heads_that_give_nothing_or_are_not_read_go(part, use_bias):
    query, value = (
        keras.Input((n, 6), name=name) for n, name in ((4, "q"), (7, "v"))
    )
    options = {"value_dim": 5, "use_bias": use_bias, "name": "attention"}
    attention = layers.MultiHeadAttention(4, 3, **options)
    x = layers.Add(name="sum")([query, attention(query, value)])
    model = keras.Model([query, value], layers.Dense(2, name="out")(x))
    randomize(model)
    if part == "output":
        zero_slices(attention.output_dense.kernel, [0, 2], axis=0)
    else:
        zero_slices(attention.value_dense.kernel, [0, 2], axis=1)
        if use_bias:
            zero_slices(attention.value_dense.bias, [0, 2], axis=0)
    small = shrunk(model).get_layer("attention")
    assert small.num_heads == 2
    for name, axis in (("query", 1), ("key", 1), ("value", 1), ("output", 0)):
        kernel = getattr(attention, f"{name}_dense").kernel
        expected = np.take(np.asarray(kernel), [1, 3], axis)
        assert_same(getattr(small, f"{name}_dense").kernel, expected)


def test_values_that_are_a_bias_alone_keep_their_head():
    """It gives the bias, whatever it attends to: not zero."""
    inputs = keras.Input((4, 6), name="inputs")
    attention = layers.MultiHeadAttention(2, 3, name="attention")
    x = attention(inputs, inputs)
    model = keras.Model(inputs, layers.Dense(2, name="out")(x))
    randomize(model)
    zero_slices(attention.value_dense.kernel, 0, axis=1)
    assert shrunk(model).get_layer("attention").num_heads == 2


def test_a_call_in_training_mode_is_left_whole():
    inputs = keras.Input((4,))
    x = layers.Dense(5, name="a")(inputs)
    x = layers.Dropout(0.5, name="drop")(x, training=True)
    model = keras.Model(inputs, layers.Dense(2, name="out")(x))
    zero_channels(model, "a", [0])
    assert plan(model).rows[0].after == 5


class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.fc = layers.Dense(4, name="fc")

    def call(self, inputs):
        return self.fc(inputs)


def test_a_subclassed_model_comes_back_whole():
    model = Subclassed(name="own")
    model(np.ones((1, 3)))
    small = kprune.shrink(model, verbose=0)
    assert type(small) is Subclassed
    np.testing.assert_array_equal(small.fc.kernel, model.fc.kernel)
    assert plan(model).rows[0].why == "Subclassed is no graph of layers"


def test_inputs_and_outputs_by_name_stay():
    inputs = {name: keras.Input((3,), name=name) for name in "pq"}
    a = layers.Dense(4, name="a")(inputs["p"])
    b = layers.Dense(4, name="b")(inputs["q"])
    x = layers.Add(name="sum")([a, b])
    outputs = {"r": layers.Dense(2, name="r")(x), "s": layers.ReLU(name="s")(x)}
    model = keras.Model(inputs, outputs)
    zero_channels(model, "a", [0])
    zero_channels(model, "b", [0])
    x = {name: np.ones((1, 3), "float32") for name in "pq"}
    small = kprune.shrink(model, verbose=0)
    shapes = {k: tuple(v.shape) for k, v in small(x).items()}
    assert shapes == {"r": (1, 2), "s": (1, 4)}
