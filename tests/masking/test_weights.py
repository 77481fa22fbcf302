"""Which weights are found, what they are called and how they lie."""

import keras
import numpy as np
import pytest
from keras import layers
from networks import sequential

import kprune
from kprune.masking import weights


def layouts(model):
    """(view, outputs, inputs) of each prunable weight, by name."""
    return {
        name: (w.layout.view, w.layout.outputs, w.layout.inputs)
        for name, w in weights.prunable(model).items()
    }


def cell(kernel, recurrent_kernel, outputs, inputs=0):
    """The layouts of both kernels of a recurrent cell."""
    axes = (outputs,), (inputs,)
    kernels = {"kernel": kernel, "recurrent_kernel": recurrent_kernel}
    return {f"cell/{n}": (shape, *axes) for n, shape in kernels.items()}


# Kernels of Keras: Dense (inputs, outputs), convolutions (space, inputs,
# outputs), transposed convolutions (space, outputs, inputs), depthwise ones
# (space, inputs, multiplier), whose every pair of an input and a multiple is
# an output of its own.
@pytest.mark.parametrize(
    "layer, shape, expected",
    [
        (layers.Dense(3), (4,), ((4, 3), (1,), (0,))),
        (layers.Conv1D(3, 5), (9, 4), ((5, 4, 3), (2,), (1,))),
        (
            layers.Conv2D(6, (2, 3), groups=2),
            (8, 8, 4),
            ((2, 3, 2, 6), (3,), (2,)),
        ),
        (layers.Conv3D(3, 2), (4, 4, 4, 2), ((2, 2, 2, 2, 3), (4,), (3,))),
        (layers.Conv1DTranspose(3, 5), (9, 4), ((5, 3, 4), (1,), (2,))),
        (layers.Conv2DTranspose(3, 2), (8, 8, 4), ((2, 2, 3, 4), (2,), (3,))),
        (
            layers.Conv3DTranspose(3, 2),
            (4, 4, 4, 2),
            ((2, 2, 2, 3, 2), (3,), (4,)),
        ),
        (
            layers.DepthwiseConv1D(5, depth_multiplier=2),
            (9, 4),
            ((5, 4, 2), (1, 2), (1,)),
        ),
        (
            layers.DepthwiseConv2D(3, depth_multiplier=2),
            (8, 8, 4),
            ((3, 3, 4, 2), (2, 3), (2,)),
        ),
        (
            layers.SeparableConv1D(3, 5),
            (9, 4),
            {
                "depthwise_kernel": ((5, 4, 1), (1, 2), (1,)),
                "pointwise_kernel": ((1, 4, 3), (2,), (1,)),
            },
        ),
        (
            layers.SeparableConv2D(3, 2, depth_multiplier=2),
            (8, 8, 4),
            {
                "depthwise_kernel": ((2, 2, 4, 2), (2, 3), (2,)),
                "pointwise_kernel": ((1, 1, 8, 3), (3,), (2,)),
            },
        ),
        # Kernel "bcd": c and d are in the output, b is summed over.
        (
            layers.EinsumDense("ab,bcd->acd", output_shape=(3, 5)),
            (4,),
            ((4, 3, 5), (1, 2), (0,)),
        ),
        # b is in input, kernel and output: a kernel for each b.
        (
            layers.EinsumDense("abc,bcd->abd", output_shape=(3, 5)),
            (3, 4),
            ((3, 4, 5), (0, 2), (1,)),
        ),
        (
            layers.EinsumDense("...x,xy->...y", output_shape=(5,)),
            (3, 4),
            ((4, 5), (1,), (0,)),
        ),
        (layers.Embedding(11, 5), (7,), {"embeddings": ((11, 5), (1,), (0,))}),
        # Four gates side by side: input, forget, cell, output.
        (layers.LSTM(3), (7, 4), cell((4, 4, 3), (3, 4, 3), 2)),
        # Three gates, and a bias of two dimensions that is not listed.
        (layers.GRU(5), (7, 4), cell((4, 3, 5), (5, 3, 5), 2)),
        (layers.SimpleRNN(3), (7, 4), cell((4, 3), (3, 3), 1)),
        (
            layers.ConvLSTM2D(3, 2),
            (5, 6, 6, 4),
            cell((2, 2, 4, 4, 3), (2, 2, 3, 4, 3), 4, 2),
        ),
        (
            layers.TimeDistributed(layers.Dense(3)),
            (7, 4),
            {"layer/kernel": ((4, 3), (1,), (0,))},
        ),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_layout_of_each_layer(layer, shape, expected):
    if isinstance(expected, tuple):
        expected = {"kernel": expected}
    found = layouts(sequential(shape, layer))
    assert found == {f"{layer.name}/{n}": v for n, v in expected.items()}


def test_layouts_of_attention():
    q = keras.Input((5, 6))
    attention = layers.MultiHeadAttention(2, 3, name="mha")
    found = layouts(keras.Model(q, attention(q, q)))
    # Projections in: (features, heads, size). Out: (heads, size, features).
    into = ((6, 2, 3), (1, 2), (0,))
    assert found == {
        "mha/query_dense/kernel": into,
        "mha/key_dense/kernel": into,
        "mha/value_dense/kernel": into,
        "mha/output_dense/kernel": ((2, 3, 6), (2,), (0, 1)),
    }


def test_layouts_of_bidirectional():
    model = sequential((7, 4), layers.Bidirectional(layers.GRU(3), name="b"))
    assert list(layouts(model)) == [
        f"b/{direction}_layer/cell/{role}"
        for direction in ("forward", "backward")
        for role in ("kernel", "recurrent_kernel")
    ]


def test_bias_and_scale_are_never_prunable():
    model = sequential(
        (7, 4),
        layers.GRU(5, return_sequences=True),
        layers.LayerNormalization(axis=(1, 2)),
        layers.PReLU(),
        layers.GroupNormalization(1),
        layers.BatchNormalization(),
    )
    names = [name.rpartition("/")[2] for name in weights.prunable(model)]
    assert names == ["kernel", "recurrent_kernel"]
    assert all(w.skipped is None for w in weights.find(model))


class Bilinear(layers.Layer):
    def build(self, input_shape):
        self.w = self.add_weight(shape=(3, input_shape[-1], 5), name="w")

    def call(self, x):
        return keras.ops.einsum("ni,kij,nj->nk", x, self.w, x[:, :5])


def test_registered_layer_is_prunable_and_so_are_its_subclasses():
    Registered = type("Registered", (Bilinear,), {})
    Inherited = type("Inherited", (Registered,), {})
    kprune.register_layer(Registered, w=((0,), (-2, -1)))
    for cls in (Registered, Inherited):
        found = layouts(sequential((6,), cls(name="own")))
        # (outputs, left inputs, right inputs) = (3, 6, 5).
        assert found == {"own/w": ((3, 6, 5), (0,), (1, 2))}
    with pytest.raises(ValueError, match=r"Received: 'Dense'"):
        kprune.register_layer("Dense", kernel=((1,), (0,)))


def test_unknown_and_frozen_layers_are_listed_with_their_reason():
    rest = layers.Dense(4, name="a"), layers.Dense(2, name="b")
    model = sequential((6,), Bilinear(name="own"), *rest)
    model.get_layer("a").trainable = False
    reasons = {w.name: w.skipped for w in weights.find(model)}
    assert "unknown weight 'w' of layer class Bilinear" in reasons["own/w"]
    assert (reasons["a/kernel"], reasons["b/kernel"]) == ("frozen", None)
    pruned = kprune.prune(model, "magnitude", 0.5)
    assert list(kprune.get_masks(pruned)) == ["b/kernel"]


def test_weights_of_a_subclassed_model_itself_are_skipped():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def build(self, shape):
            self.kernel = self.add_weight(shape=(3, 2), name="kernel")
            self.dense.build(shape)

        def call(self, x):
            return self.dense(x) @ self.kernel

    model = Net()
    model(np.ones((1, 4)))
    assert {w.name: w.skipped for w in weights.find(model)} == {
        "kernel": "belongs to the model itself, not to a layer of it",
        "dense/kernel": None,
    }


class Crowded(keras.Model):
    """Attributes and weights whose first choice of a name is taken."""

    def __init__(self):
        super().__init__()
        self._dense = layers.Dense(3)
        self.dense = layers.Dense(3)
        self.twice = self.dense
        self.nested = keras.Sequential(
            [layers.Dense(3), layers.Dense(3, name="dense"), layers.Dense(3)]
        )
        self.blocks = {"a": [layers.Dense(3)], 1: (layers.Dense(3),)}
        self.pair = Pair()

    def call(self, x):
        for layer in (self._dense, self.dense, self.nested, self.pair):
            x = layer(x)
        return self.blocks["a"][0](x) + self.blocks[1][0](x)


class Pair(layers.Layer):
    def build(self, shape):
        self.a = self.add_weight(shape=(3, 3), name="kernel")
        self.b = self.add_weight(shape=(3, 3), name="kernel")

    def call(self, x):
        return x @ self.a @ self.b


def test_names_are_unique_and_tell_where():
    names = [
        "dense/kernel",
        "dense_1/kernel",
        "nested/dense/kernel",
        "nested/dense_1/kernel",
        "nested/dense_2/kernel",
        "blocks/a/0/kernel",
        "blocks/1/0/kernel",
        "pair/kernel",
        "pair/kernel_1",
    ]
    for _ in range(2):  # Default names count on from one copy to the next.
        model = Crowded()
        model(np.ones((1, 4)))
        assert [w.name for w in weights.find(model)] == names
    assert list(kprune.get_masks(kprune.wrap(model))) == names


def test_names_of_a_nested_graph_are_paths():
    block = sequential((4,), layers.Dense(4, name="fc"), name="block")
    i = keras.Input((4,))
    inner = keras.Model(i, block(i), name="inner")
    i = keras.Input((4,))
    # The same layer twice is one weight with one name.
    model = keras.Model(i, layers.Dense(2, name="head")(inner(inner(i))))
    names = [w.name for w in weights.find(model)]
    assert names == ["inner/block/fc/kernel", "head/kernel"]


def test_output_layer_of_a_graph():
    i = keras.Input((4,))
    x = layers.Dense(4, name="a")(i)
    p = layers.Softmax()(layers.Dense(3, name="b")(x))
    q = layers.Dense(2, name="c")(x)
    found = weights.output_names(keras.Model(i, [p, q]))
    assert found == {"b/kernel", "c/kernel"}


def test_matching_takes_names_layers_and_patterns():
    names = ["a/kernel", "ab/kernel", "ab/recurrent_kernel"]
    assert weights.matching("a/kernel", names) == ["a/kernel"]
    assert weights.matching("ab", names) == names[1:]
    assert weights.matching(".*/kernel", names) == names[:2]
    assert weights.matching("kernel", names) == []  # Whole names only.
    assert weights.matching("(", names) == []
