"""Multiply-adds, each worked out by hand as entries x positions."""

import functools

import keras
import numpy as np
import pytest
from networks import sequential

import kprune
from kprune.analysis.report import report

layers = keras.layers
report = functools.partial(report, paths=False)


def build(layer, *shapes):
    inputs = [keras.Input(shape) for shape in shapes]
    return keras.Model(inputs, layer(*inputs))


def adds(model, **options):
    """Returns the dense multiply-adds by the weight's name in its layer."""
    measured = report(model, **options)
    assert measured.untraced is None
    return {r.name.partition("/")[2]: r.multiply_adds for r in measured.rows}


def cell(kernel, recurrent_kernel, path="cell"):
    """Those of a recurrent cell, by name."""
    names = f"{path}/kernel", f"{path}/recurrent_kernel"
    return dict(zip(names, (kernel, recurrent_kernel), strict=True))


# Cases of (layer, input shape, multiply-adds of each weight, or of its kernel).
CASES = [
    # 3 x 4 entries, one vector.
    (layers.Dense(4), (3,), 12),
    # 3 x 4 entries, a sequence of 5 vectors.
    (layers.Dense(4), (5, 3), 60),
    # 4 x 2 x 3 = 24 entries; "same", stride 2: ceil(9 / 2) = 5 positions.
    (layers.Conv1D(3, 4, strides=2, padding="same"), (9, 2), 120),
    # Causal keeps the 9 positions: 24 x 9.
    (layers.Conv1D(3, 4, padding="causal"), (9, 2), 216),
    # 3 x 3 x (4 / 2 groups) x 6 = 108 entries; "valid", stride 2:
    # (7 - 3) / 2 + 1 = 3 by floor((6 - 3) / 2) + 1 = 2 positions.
    (layers.Conv2D(6, 3, strides=2, groups=2), (7, 6, 4), 648),
    # 3 x 3 x 1 x 2 = 18 entries; a window dilated to 5 x 5 on 7 x 6 has 3 x 2
    # positions.
    (layers.Conv2D(2, 3, dilation_rate=2), (7, 6, 1), 108),
    # 2 x 2 x 3 x 4 = 48 entries; 5 x 4 "valid" gives 4 x 3 positions.
    (layers.Conv2D(4, 2, data_format="channels_first"), (3, 5, 4), 576),
    # 2 x 2 x 2 x 1 x 3 = 24 entries; 3 x 2 x 4 positions.
    (layers.Conv3D(3, 2), (4, 3, 5, 1), 576),
    # 3 x 2 x 2 = 12 entries; 4 positions.
    (layers.DepthwiseConv1D(3, depth_multiplier=2), (6, 2), 48),
    # 3 x 3 x 3 x 2 = 54 entries; dilated to 5 x 5 on 7 x 6: 3 x 2 positions.
    (
        layers.DepthwiseConv2D(3, depth_multiplier=2, dilation_rate=2),
        (7, 6, 3),
        324,
    ),
    # Stride 2 on 6: 3 positions. 2 x 4 x 1 = 8 and 1 x 4 x 5 = 20 entries.
    (
        layers.SeparableConv1D(5, 2, strides=2),
        (6, 4),
        {"depthwise_kernel": 24, "pointwise_kernel": 60},
    ),
    # "same", stride 2 on 5 x 5: 3 x 3 positions. 3 x 3 x 2 x 2 = 36 and
    # 4 x 5 = 20 entries.
    (
        layers.SeparableConv2D(
            5, 3, strides=2, padding="same", depth_multiplier=2
        ),
        (5, 5, 2),
        {"depthwise_kernel": 324, "pointwise_kernel": 180},
    ),
    # Laid down at each input position. 3 x 4 x 2 = 24 entries x 5.
    (layers.Conv1DTranspose(4, 3, strides=2), (5, 2), 120),
    # 3 x 3 x 4 x 2 = 72 entries x (4 x 3).
    (layers.Conv2DTranspose(4, 3, strides=2, padding="same"), (4, 3, 2), 864),
    # 2 x 2 x 2 x 3 x 1 = 24 entries x (2 x 3 x 2).
    (layers.Conv3DTranspose(3, 2), (2, 3, 2, 1), 288),
    # b = 5 vectors x 3 x (2 x 4) entries.
    (layers.EinsumDense("abc,cde->abde", (None, 2, 4)), (5, 3), 120),
    # A kernel of its own for each of the 5 positions: every entry once.
    (layers.EinsumDense("abc,bcd->abd", (5, 4)), (5, 3), 60),
    # 2 x 5 vectors x 3 x 4 entries.
    (layers.EinsumDense("...x,xy->...y", 4), (2, 5, 3), 120),
    # A lookup.
    (layers.Embedding(7, 4), (5,), {"embeddings": 0}),
    # In time:
    # 5 steps of 2 x 3 and 3 x 3 entries.
    (layers.SimpleRNN(3), (5, 2), cell(30, 45)),
    # 5 steps of 2 x 12 and 3 x 12 entries: four gates.
    (layers.LSTM(3, return_sequences=True), (5, 2), cell(120, 180)),
    (layers.LSTM(3, unroll=True, dropout=0.5), (5, 2), cell(120, 180)),
    # 5 steps of 2 x 9 and 3 x 9 entries: three gates.
    (layers.GRU(3, recurrent_dropout=0.5), (5, 2), cell(90, 135)),
    # 5 steps of 2 x 3, 3 x 3 and of 3 x 4, 4 x 4.
    (
        layers.RNN([layers.SimpleRNNCell(3), layers.SimpleRNNCell(4)]),
        (5, 2),
        {**cell(30, 45, "cell/cells/0"), **cell(60, 80, "cell/cells/1")},
    ),
    # The GRU's numbers, each way.
    (
        layers.Bidirectional(layers.GRU(3)),
        (5, 2),
        {
            **cell(90, 135, "forward_layer/cell"),
            **cell(90, 135, "backward_layer/cell"),
        },
    ),
    # 2 steps x (4 x 3 positions, "valid") of 2 x 2 x 1 x (4 x 3) = 48 and
    # 2 x 2 x 3 x 12 = 144 entries.
    (layers.ConvLSTM2D(3, 2), (2, 5, 4, 1), cell(1152, 3456)),
    # 5 steps of 3 x 4.
    (layers.TimeDistributed(layers.Dense(4)), (5, 3), {"layer/kernel": 60}),
    # 5 steps x 3 x 3 positions x (2 x 2 x 1 x 3) entries.
    (
        layers.TimeDistributed(layers.Conv2D(3, 2)),
        (5, 4, 4, 1),
        {"layer/kernel": 540},
    ),
    # 4 sequences of 5 steps each, of 2 x 3 and 3 x 3.
    (
        layers.TimeDistributed(layers.SimpleRNN(3)),
        (4, 5, 2),
        cell(120, 180, "layer/cell"),
    ),
]


CASES = [
    (layer, shape, {"kernel": adds} if isinstance(adds, int) else adds)
    for layer, shape, adds in CASES
]
# One of each class.
WRAPPED = {type(layer): (layer, *case) for layer, *case in CASES}.values()
each = functools.partial(
    pytest.mark.parametrize,
    "layer, shape, expected",
    ids=lambda case: getattr(case, "name", ""),
)


@each(CASES)
def test_multiply_adds_of_a_layer(layer, shape, expected):
    assert adds(build(layer, shape)) == expected


@each(WRAPPED)
def test_multiply_adds_of_a_wrapped_layer(layer, shape, expected):
    assert adds(kprune.wrap(build(layer, shape))) == expected


def test_attention_counts_its_projections():
    layer = layers.MultiHeadAttention(num_heads=2, key_dim=3)
    model = build(layer, (4, 8), (5, 8))
    # 8 x (2 x 3) = 48 entries each; 4 queries, 5 keys and values, 4 outputs.
    assert sorted(adds(model).values()) == [192, 192, 240, 240]


def test_sparse_multiply_adds_count_kept_entries():
    model = kprune.wrap(build(layers.Conv2D(1, 2, name="conv"), (4, 4, 1)))
    mask = np.reshape([True, False, True, True], (2, 2, 1, 1))
    kprune.set_masks(model, {"conv/kernel": mask})
    (row,) = report(model).rows
    # 3 x 3 positions of 4 entries, 3 of them kept.
    assert (row.multiply_adds, row.sparse_multiply_adds) == (36, 27)


def test_each_use_of_a_shared_layer_or_nested_model_counts():
    shared = layers.Dense(4)
    a, b = keras.Input((3,), name="a"), keras.Input((5, 3), name="b")
    # 12 entries once for `a` and for 5 vectors of `b`.
    outputs = [shared(a), shared(b)]
    assert adds(keras.Model([a, b], outputs)) == {"kernel": 72}
    assert adds(keras.Model({"a": a, "b": b}, outputs)) == {"kernel": 72}
    block = sequential((3,), layers.Dense(3, name="dense"))
    model = keras.Model(a, block(block(a)))
    for one in (model, kprune.wrap(model)):
        assert adds(one) == {"dense/kernel": 18}


class Called(keras.Model):
    """A subclassed model of some layers that computes what a function says."""

    def __init__(self, function, *parts):
        super().__init__()
        self.function, self.parts = function, list(parts)

    def call(self, inputs):
        return self.function(inputs, *self.parts)


def test_subclassed_model():
    block, *heads = layers.Dense(3), layers.Dense(2), layers.Dense(1)
    model = Called(
        lambda x, block, head, _: head(block(block(x))), block, *heads
    )
    heads[1].build((None, 3))
    model(np.ones((2, 3), "float32"))
    measured = report(model)
    # The second head has weights and is never called: nobody knows.
    assert [row.multiply_adds for row in measured.rows] == [18, 6, None]
    assert measured.multiply_adds == 24


def test_open_shapes_need_inputs():
    model = build(layers.Conv2D(1, 2), (None, None, 1))
    measured = report(model)
    assert measured.multiply_adds is None
    assert measured.rows[0].sparse_multiply_adds is None
    assert "(None, None, None, 1) is open" in measured.untraced
    # 4 entries, 3 x 4 positions; a batch of two counts as one example.
    inputs = np.ones((2, 4, 5, 1), "float32")
    assert adds(model, inputs=inputs) == {"kernel": 48}
    measured = report(model, multiply_adds=False)
    assert (measured.untraced, measured.multiply_adds) == (
        "not asked for",
        None,
    )


def test_fixed_batch_counts_one_example():
    x = keras.Input(batch_shape=(8, 5, 3))
    model = keras.Model(x, layers.GRU(2, stateful=True)(layers.Dense(4)(x)))
    # 5 x 12; 5 steps of 4 x 6 and 2 x 6.
    assert list(adds(model).values()) == [60, 120, 60]


def test_model_that_cannot_be_traced():
    dense = layers.Dense(2)
    model = Called(lambda x, dense: dense(x[: int(x[0, 0])]), dense)
    model(np.ones((2, 3), "float32"))
    reason = "the input shape is not known, pass `inputs=`"
    assert report(model).untraced == reason
    measured = report(model, inputs=np.ones((2, 3), "float32"))
    assert "calling Called.call(). int() argument" in measured.untraced
    assert measured.multiply_adds is None and measured.total == 6
    assert "call" not in vars(dense)


def test_loop_of_the_users_own_is_not_guessed_at():
    def loops(inputs, inside, after):
        _, x = keras.ops.while_loop(
            lambda i, x: i < 4, lambda i, x: (i + 1, inside(x)), (0, inputs)
        )
        return after(x)

    inside = layers.Dense(3)
    model = Called(loops, inside, layers.Dense(2))
    inside.build((1, 3))
    model(np.ones((1, 3), "float32"))
    assert [r.multiply_adds for r in report(model).rows] == [None, 6]


def test_fused_recurrent_layer_counts_the_same(monkeypatch):
    # As with cuDNN, which never calls the cell.
    def fused(self, sequences, initial_state, mask, training=False):
        h = keras.ops.zeros((1, 3))
        return h, h[:, None], [h, h]

    model = build(layers.LSTM(3), (5, 2))
    monkeypatch.setattr(layers.LSTM, "inner_loop", fused)
    assert list(adds(model).values()) == [120, 180]


@pytest.mark.skipif(
    not hasattr(layers, "ReversibleEmbedding"), reason="newer Keras"
)
def test_embedding_used_backwards():
    embedding = layers.ReversibleEmbedding(7, 4)
    x = keras.Input((5,))
    model = keras.Model(x, embedding(embedding(x), reverse=True))
    # 5 lookups, then 5 vectors x 4 x 7.
    assert adds(model) == {"embeddings": 140}


def test_totals_of_known_networks():
    # LeNet-300-100: 784 x 300 + 300 x 100 + 100 x 10.
    lenet = kprune.models.lenet_300_100(initializer="zeros")
    assert report(lenet).multiply_adds == 266_200
    # The paper's "40.8 M" of ResNet-20 are 3 stages of 6 or 7 convolutions:
    # 32 x 32 x 9 x (3 x 16 + 6 x 16 x 16)            = 14,598,144
    # 16 x 16 x (9 x (16 x 32 + 5 x 32 x 32) + 16 x 32) = 13,107,200
    # 8 x 8 x (9 x (32 x 64 + 5 x 64 x 64) + 32 x 64)   = 13,107,200
    # and 64 x 10.
    resnet = kprune.models.resnet20(initializer="zeros")
    assert report(resnet).multiply_adds == 40_813_184
