"""What weights read: second moments equal X'X of what is recorded."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from lifecycle import unchanged
from networks import CE, MSE, dense_net, examples, sequential, two_replicas

import kprune


def objective(model, data, loss=MSE, **scoring):
    return kprune.Objective(model, data, loss, scoring)


def both(model, data, loss=MSE, **scoring):
    """Returns Gram matrices, after a check that the diagonals are theirs."""
    made = objective(model, data, loss, **scoring)
    grams = made.inputs(made.weights, gram=True)
    for name, diagonal in made.inputs(made.weights).items():
        whole = grams[name]
        if whole.ndim == 2:
            assert np.array_equal(whole, whole.T)
            whole = np.diag(whole)
        np.testing.assert_allclose(diagonal, whole, rtol=1e-5)
        assert diagonal.dtype == np.float64
    return grams


def assert_gram(found, x, rtol=1e-5):
    x = np.reshape(np.asarray(x, np.float64), (-1, np.shape(x)[-1]))
    expected = x.T @ x
    close = {"rtol": rtol, "atol": rtol * np.abs(expected).max()}
    np.testing.assert_allclose(found, expected, **close)


def output(model, layer, x):
    """Returns what a layer of a graph gives in inference mode."""
    return keras.Model(model.inputs, model.get_layer(layer).output)(x)


def labelled(model, x):
    """Returns inputs with labels of zeros, of the shape of the outputs."""
    return x, np.zeros(model(x).shape, "float32")


X = examples(12, 6)[0]


@pytest.mark.parametrize("compiled", [False, True])
def test_dense_layers_read_the_outputs_of_those_before(compiled):
    model = dense_net(inputs=6)
    model.get_layer("norm").moving_mean.assign(np.linspace(-1, 1, 16))
    data = X, np.zeros(12)
    grams = both(model, data, CE, batch_size=5, compiled=compiled)
    assert_gram(grams["a/kernel"], X)
    # Moving statistics, and no dropout.
    assert_gram(grams["b/kernel"], output(model, "relu", X))


def test_moments_by_hand():
    model = sequential((2,), layers.Dense(1, name="w"))
    data = [[1.0, 2.0], [3.0, 5.0]], [[0.0], [0.0]]
    made = objective(model, data)
    gram = made.inputs(made.weights, gram=True)["w/kernel"]
    np.testing.assert_array_equal(gram, [[10, 17], [17, 29]])
    np.testing.assert_array_equal(
        made.inputs(made.weights)["w/kernel"], [10, 29]
    )


def test_they_are_taken_at_the_given_weights():
    model = sequential(
        (2,), layers.Dense(2, name="a"), layers.Dense(1, name="b"), seed=0
    )
    pruned = kprune.prune(model, "magnitude", 0.5)
    made = objective(pruned, labelled(model, X[:, :2]))
    zeros = {name: tf.zeros_like(w) for name, w in made.weights.items()}
    assert not made.inputs(zeros)["b/kernel"].any()
    ones = {name: tf.ones_like(w) for name, w in made.weights.items()}
    # Of what is pruned, too, which the masks do not hold back.
    x = X[:, :2].sum(axis=1, dtype=np.float64)
    found = made.inputs(ones)["b/kernel"]
    np.testing.assert_allclose(found, 2 * [np.sum(x**2)], rtol=1e-5)


CONVOLUTIONS = {
    "valid": layers.Conv2D(3, 3, name="c"),
    "same": layers.Conv2D(3, (3, 2), padding="same", name="c"),
    "strides": layers.Conv2D(3, 3, strides=2, padding="same", name="c"),
    "dilated": layers.Conv2D(3, 2, dilation_rate=2, padding="same", name="c"),
}


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_convolutions_read_patches(kind):
    layer = CONVOLUTIONS[kind]
    layer = type(layer).from_config(layer.get_config())
    x = examples(3, 7, 6, 2)[0]
    model = sequential((7, 6, 2), layer)
    gram = both(model, labelled(model, x))["c/kernel"]
    patches = tf.image.extract_patches(
        x,
        [1, *layer.kernel_size, 1],
        [1, *layer.strides, 1],
        [1, *layer.dilation_rate, 1],
        layer.padding.upper(),
    )
    assert_gram(gram, patches)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv1D(3, 3, padding="causal", dilation_rate=2, name="c"),
        layers.Conv3D(2, 2, strides=(1, 2, 1), padding="same", name="c"),
        layers.Conv2D(3, 2, padding="same", name="c"),
        layers.EinsumDense("ab...,bc->ac...", (3, None, None), name="c"),
        layers.EinsumDense("abcd,dbe->ace", (None, 4), name="c"),
    ],
    ids=["causal", "volume", "plane", "leading", "two axes"],
)
def test_the_energy_of_outputs_follows_from_what_is_read(layer):
    # sum |X W|^2 = trace(W' X'X W), in the order of the kernel's own rows.
    shape = {"Conv1D": (7, 2), "Conv3D": (4, 4, 3, 2)}
    shape = shape.get(type(layer).__name__, (4, 5, 6))
    model = sequential(shape, layer, seed=0)
    x = examples(3, *shape)[0]
    gram = both(model, labelled(model, x))["c/kernel"]
    layout = kprune.masking.weights.find(model)[0].layout
    w = model.layers[0].kernel.numpy()
    w = kprune.granularity.base.as_matrix(w, layout)
    energy = np.trace(w.T @ gram @ w)
    np.testing.assert_allclose(energy, np.sum(model(x) ** 2), rtol=1e-4)


def text_model(time=5):
    ids = keras.Input((time,), dtype="int32", name="ids")
    x = layers.Embedding(7, 4, mask_zero=True, name="embed")(ids)
    x = layers.MultiHeadAttention(2, 3, name="attend")(x, x)
    x = layers.Dense(3, name="out")(x)
    return keras.Model(ids, x)


IDS = np.array([[1, 2, 2, 0, 0], [3, 1, 0, 0, 0], [2, 2, 2, 2, 6]])


def test_embeddings_read_counts_and_padding_is_left_out():
    model = text_model()
    grams = both(model, (IDS, np.zeros((3, 5, 3))))
    counts = np.bincount(IDS[IDS > 0], minlength=7)
    np.testing.assert_array_equal(grams["embed/embeddings"], counts)
    kept = IDS > 0
    embedded = model.get_layer("embed").embeddings.numpy()[IDS]
    for name in ("query", "key", "value"):
        assert_gram(grams[f"attend/{name}_dense/kernel"], embedded[kept])
    assert_gram(grams["out/kernel"], output(model, "attend", IDS)[kept])
    # What attention's last projection reads has no mask of its own.
    attend = model.get_layer("attend")
    recorded = []
    project = attend._output_dense
    before = project.call
    project.call = lambda x: recorded.append(x) or before(x)
    model(IDS)
    heads = np.asarray(recorded[0])[kept].reshape(-1, 6)
    assert_gram(grams["attend/output_dense/kernel"], heads)


def test_keys_are_masked_by_their_own_mask():
    first = keras.Input((5,), dtype="int32")
    other = keras.Input((5,), dtype="int32")
    embed = layers.Embedding(7, 4, mask_zero=True, name="embed")
    a, b = embed(first), embed(other)
    out = layers.MultiHeadAttention(1, 2, name="attend")(a, b)
    model = keras.Model([first, other], out)
    flipped = IDS[::-1].copy()
    grams = both(model, ([IDS, flipped], np.zeros((3, 5, 4))))
    table = embed.embeddings.numpy()
    for name, ids in {"query": IDS, "key": flipped, "value": flipped}.items():
        kernel = f"attend/{name}_dense/kernel"
        assert_gram(grams[kernel], table[ids[ids > 0]])


class Block(layers.Layer):
    """A block of one's own that is told of padding."""

    def __init__(self, **options):
        super().__init__(**options)
        self.up, self.down = layers.Dense(6), layers.Dense(4)

    def call(self, x, padding_mask=None):
        return x + self.down(keras.ops.relu(self.up(x)))


class Own(keras.Model):
    """A model of one's own, with a list of blocks and a nested model."""

    def __init__(self, head, **options):
        super().__init__(**options)
        self.blocks = [Block(), Block()]
        self.head = head

    def call(self, inputs):
        x = inputs["x"]
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def test_models_of_ones_own_and_nested_ones_with_padding_masks():
    head = sequential((5, 4), layers.Dense(2, name="out"))
    model = Own(head)
    x = examples(3, 5, 4)[0]
    given = {"x": x, "padding_mask": (IDS > 0).astype("int32")}
    model(given)
    grams = both(model, (given, np.zeros((3, 5, 2))))
    assert len(grams) == 5
    kept = IDS > 0
    assert_gram(grams["blocks/0/up/kernel"], x[kept])
    inner = keras.ops.relu(model.blocks[0].up(x))
    assert_gram(grams["blocks/0/down/kernel"], np.asarray(inner)[kept])
    features = model.blocks[1](model.blocks[0](x))
    (name,) = [name for name in grams if "head" in name]
    assert_gram(grams[name], np.asarray(features)[kept])


def test_a_shared_layer_reads_what_all_its_calls_read():
    dense, given = layers.Dense(6, name="shared"), keras.Input((6,))
    model = keras.Model(given, dense(dense(given)))
    gram = both(model, labelled(model, X))["shared/kernel"]
    assert_gram(gram, np.concatenate([X, np.asarray(dense(X))]))


@pytest.mark.parametrize("count", [1, 12])
def test_replicas_are_summed(count):
    data = X[:count], np.zeros(count)
    with two_replicas().scope():
        mirrored = dense_net(inputs=6)
    one, two = (both(m, data, CE) for m in (dense_net(inputs=6), mirrored))
    for name, gram in one.items():
        atol = 1e-5 * np.abs(gram).max()
        np.testing.assert_allclose(two[name], gram, rtol=1e-5, atol=atol)


def test_half_precision_is_summed_in_float32():
    policy = keras.DTypePolicy("mixed_float16")
    layer = layers.Dense(2, name="w", dtype=policy)
    model = sequential((6,), layer)
    large = 300 * X  # Whose squares float16 cannot hold.
    for precision in ("float32", "policy"):
        gram = both(model, labelled(model, large), precision=precision)[
            "w/kernel"
        ]
        assert_gram(gram, large, rtol=1e-2)


def test_the_model_stays_as_it_was_and_its_calls_too():
    model = dense_net(inputs=6)
    with unchanged(model):
        made = objective(model, (X, np.zeros(12)), CE)
        made.inputs(made.weights)
    assert all("call" not in vars(layer) for layer in model.layers)
    with pytest.raises(ValueError):
        made.inputs({})
    names = ["b/kernel"]
    assert list(made.inputs(made.weights, names=names)) == names


class Looping(layers.Layer):
    """Calls a layer in a function of its own."""

    def __init__(self, **options):
        super().__init__(**options)
        self.inner = layers.Dense(6, name="inner")

    @tf.function
    def call(self, x):
        return self.inner(x)


def refused(model, data, match, loss=MSE):
    made = objective(model, data, loss)
    with pytest.raises(ValueError, match=match):
        made.inputs(made.weights)


def test_what_cannot_be_measured_is_refused():
    model = dense_net(inputs=6)
    refused(model, None, "calibration data.*Received: None", CE)
    steps = examples(3, 5, 4)[0]
    lstm = sequential((5, 4), layers.LSTM(3, name="lstm"))
    refused(lstm, labelled(lstm, steps), "LSTM.*exclude=.*lstm/cell/kernel")
    grouped = sequential(
        (5, 4), layers.Conv1D(4, 2, groups=2), layers.Flatten()
    )
    refused(grouped, labelled(grouped, steps), "one group.*Conv1D")
    shared = layers.EinsumDense("abc,bcd->abd", (5, 2))
    heads = sequential((5, 4), shared)
    refused(heads, labelled(heads, steps), "EinsumDense")
    looping = sequential((6,), Looping())
    refused(looping, labelled(looping, X), "of their own.*exclude.*inner")
    large = sequential((6,), layers.Dense(6), layers.Dense(1), seed=0)
    large.layers[0].kernel.assign(np.full((6, 6), 1e38))
    refused(large, (X, np.zeros((12, 1))), "The inputs of .* hold NaN")
    padding = np.zeros_like(IDS)
    refused(text_model(), (padding, np.zeros((3, 5, 3))), "zero or padding")
    made = objective(model, (X, np.zeros(12)), CE)
    with pytest.raises(ValueError, match="Did you mean 'a/kernel'"):
        made.inputs(made.weights, names=["a/kernl"])
