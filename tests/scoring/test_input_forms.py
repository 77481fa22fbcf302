"""Inputs of all the forms that `fit` takes give the scores of plain arrays."""

import keras
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
from keras import layers
from lifecycle import assert_same, normal
from networks import CE

import kprune

X = np.where(np.random.default_rng(0).random((8, 6)) < 0.4, 0, normal(8, 6))
X = X.astype("float32")
Y = np.arange(8) % 3
W = np.linspace(0.5, 1.5, 8, dtype="float32")
BOTH = {"b": X[:, 4:], "a": X[:, :4]}
ROWS = [[1, 2, 3], [4], [5, 6], [7], [1, 2], [3], [4, 4, 4, 4], [2]]


def dense(sparse=False):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,), name="x", sparse=sparse)
    return keras.Model(inputs, layers.Dense(3, name="fc")(inputs))


def reads_sparse():
    return dense(sparse=True)


def two_inputs():
    keras.utils.set_random_seed(0)
    a, b = keras.Input((4,), name="a"), keras.Input((2,), name="b")
    return keras.Model(
        [a, b], layers.Dense(3, name="fc")(layers.Concatenate()([a, b]))
    )


def words():
    keras.utils.set_random_seed(0)
    stack = layers.Embedding(9, 4), layers.GlobalAveragePooling1D()
    inputs = keras.Input((None,), dtype="int32")
    return keras.Sequential([inputs, *stack, layers.Dense(3, name="fc")])


class Sequence(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, place):
        return batches()[place]


def batches(x=X, *rest):
    rest = rest or (Y,)
    return [
        tuple(part[start : start + 4] for part in (x, *rest))
        for start in (0, 4)
    ]


def dataset(*parts):
    return tf.data.Dataset.from_tensor_slices(parts).batch(4)


FORMS = {
    "arrays": (dense, lambda: (X, Y)),
    "float64": (dense, lambda: (X.astype("float64"), Y)),
    "tensors": (dense, lambda: (tf.constant(X), tf.constant(Y))),
    "variables": (dense, lambda: (keras.Variable(X), keras.Variable(Y))),
    "column of labels": (dense, lambda: (X, Y[:, None])),
    "labels in floats": (dense, lambda: (X, Y.astype("float32"))),
    "no weights": (dense, lambda: (X, Y, None)),
    "SciPy's sparse": (reads_sparse, lambda: (scipy.sparse.csc_matrix(X), Y)),
    "sparse for dense": (dense, lambda: (scipy.sparse.coo_matrix(X), Y)),
    "sparse tensor": (reads_sparse, lambda: (tf.sparse.from_dense(X), Y)),
    "sparse data set": (
        reads_sparse,
        lambda: dataset(tf.sparse.from_dense(X), Y),
    ),
    "data set": (dense, lambda: dataset(X, Y)),
    "data set of dicts": (dense, lambda: dataset({"x": X}, Y)),
    "PyDataset": (dense, Sequence),
    "PyDataset with workers": (dense, lambda: Sequence(workers=2)),
    "generator": (dense, lambda: iter(batches())),
    "list of batches": (dense, batches),
    "dict of one": (dense, lambda: ({"x": X}, Y)),
    "dict": (two_inputs, lambda: (BOTH, Y)),
    "list": (two_inputs, lambda: ([BOTH["a"], BOTH["b"]], Y)),
    "tuple": (two_inputs, lambda: ((BOTH["a"], BOTH["b"]), Y)),
    "data set of two": (
        two_inputs,
        lambda: dataset((BOTH["a"], BOTH["b"]), Y),
    ),
    "data set of named": (two_inputs, lambda: dataset(BOTH, Y)),
}


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_give_the_scores_of_arrays(form):
    build, data = FORMS[form]
    model = build()
    x = [BOTH["a"], BOTH["b"]] if build is two_inputs else X
    options = {"loss": CE, "scoring": {"batch_size": 4}}
    expected = kprune.score(model, "snip", data=(x, Y), **options)
    assert_same(kprune.score(model, "snip", data=data(), **options), expected)


@pytest.mark.parametrize("kind", ["data set", "PyDataset", "generator"])
def test_weights_come_in_all_forms(kind):
    class Weighted(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, place):
            return batches(X, Y, W)[place]

    data = {
        "data set": lambda: dataset(X, Y, W),
        "PyDataset": Weighted,
        "generator": lambda: iter(batches(X, Y, W)),
    }[kind]()
    model = dense()
    options = {"loss": CE, "scoring": {"batch_size": 4}}
    found, expected, plain = (
        kprune.score(model, "snip", data=one, **options)
        for one in (data, (X, Y, W), (X, Y))
    )
    assert_same(found, expected)
    assert not np.allclose(found["fc/kernel"], plain["fc/kernel"])


@pytest.mark.parametrize("kind", ["tensor", "data set", "balanced"])
def test_rows_of_several_lengths_are_not_padded(kind):
    rows, model = tf.ragged.constant(ROWS, dtype="int32"), words()
    data = dataset(rows, Y) if kind == "data set" else (rows, Y)
    balanced = {"per_class": 1} if kind == "balanced" else {"batch_size": 4}
    found = kprune.score(model, "snip", data=data, loss=CE, scoring=balanced)
    # Row by row, each of its own length.
    embed, _, out = model.layers
    chosen = range(8)
    if kind == "balanced":
        drawn = kprune.Objective(
            model, data, CE, kprune.ScoringConfig(per_class=1)
        ).batches[0][0]
        chosen = [ROWS.index(row) for row in drawn.to_list()]
        assert sorted(Y[chosen]) == [0, 1, 2]
    table = embed.embeddings.numpy()
    means = np.stack([table[ROWS[i]].mean(0) for i in chosen])
    z = means @ out.kernel.numpy() + out.bias.numpy()
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    gradient = means.T @ (p - np.eye(3)[Y[chosen]]) / len(z)
    np.testing.assert_allclose(
        found["fc/kernel"], abs(gradient * out.kernel), rtol=1e-4, atol=1e-7
    )


def test_losses_that_layers_add_count_if_asked_for():
    class Pulls(layers.Layer):
        def call(self, x):
            self.add_loss(3 * keras.ops.mean(x))
            return x

    keras.utils.set_random_seed(0)
    fc = layers.Dense(2, use_bias=False, name="fc")
    model = keras.Sequential([keras.Input((6,)), fc, Pulls()])
    y = normal(8, 2)
    w, errors = fc.kernel.numpy(), X @ fc.kernel.numpy() - y
    gradient = X.T @ errors * 2 / errors.size  # Of the mean square.
    added = np.repeat(X.mean(0)[:, None], 2, 1) * 3 / 2
    for scoring, expected in (
        (None, gradient),
        ({"added_losses": True}, gradient + added),
    ):
        found = kprune.score(
            model, "snip", data=(X, y), loss="mse", scoring=scoring
        )
        np.testing.assert_allclose(
            found["fc/kernel"], abs(w * expected), rtol=1e-4, atol=1e-7
        )


def test_losses_of_nested_outputs_and_their_weights():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    kinds = layers.Dense(3, name="kinds")(inputs)
    size = layers.Dense(1, name="size")(inputs)
    y = {"kinds": Y, "size": normal(8, 1)}
    flat = keras.Model(inputs, {"kinds": kinds, "size": size})
    nested = keras.Model(inputs, {"all": [kinds, size]})
    flat.compile(
        loss={"kinds": CE, "size": "mse"},
        loss_weights={"kinds": 2.0, "size": 0.5},
    )
    nested.compile(loss={"all": [CE, "mse"]}, loss_weights={"all": [2.0, 0.5]})
    found = kprune.score(flat, "snip", data=(X, y))
    assert_same(
        kprune.score(
            nested, "snip", data=(X, {"all": [y["kinds"], y["size"]]})
        ),
        found,
        1e-6,
    )
    alone = keras.Model(inputs, size)
    of_size = kprune.score(alone, "snip", data=(X, y["size"]), loss="mse")
    np.testing.assert_allclose(
        found["size/kernel"], 0.5 * of_size["size/kernel"], rtol=1e-5
    )
