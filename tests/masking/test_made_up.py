"""Made-up inputs, and the proof by them that copies compute the same."""

import keras
import numpy as np
import pytest
from keras import layers
from networks import sequential

import kprune
from kprune.masking import made_up


def of_words():
    x = keras.Input((1,), dtype="string")
    look = layers.StringLookup(vocabulary=["x", "y"], output_mode="one_hot")
    return keras.Model(x, layers.Dense(2)(look(x)))


def of_few_places():
    """Takes at most 50 places in a row."""

    class Positions(layers.Layer):
        def build(self, shape):
            self.table = self.add_weight(shape=(50, shape[-1]))

        def call(self, x):
            shape = keras.ops.shape(x)[1], x.shape[-1]
            return x + keras.ops.slice(self.table, (0, 0), shape)

    x = keras.Input((None,), dtype="int32")
    h = Positions()(layers.Embedding(20, 8)(x))
    return keras.Model(x, layers.Dense(3)(layers.GlobalMaxPooling1D()(h)))


def of_sparse_rows():
    x = keras.Input((5,), sparse=True)
    return keras.Model(x, layers.Dense(3)(x))


def of_a_dict():
    x = {name: keras.Input((2,), name=name) for name in "ba"}
    return keras.Model(x, layers.Dense(3)(layers.Add()([x["a"], x["b"]])))


@pytest.mark.parametrize(
    "build", [of_words, of_few_places, of_sparse_rows, of_a_dict]
)
def test_inputs_are_taken_compared_shrunk_and_exported(build, tmp_path):
    model = build()
    (_, outputs), (_, again) = made_up.taken(model), made_up.taken(model)
    assert outputs[0].shape[0] == 2
    np.testing.assert_array_equal(outputs[0], again[0])
    pruned = kprune.prune(model, "magnitude", 0.5)
    assert kprune.shrink(pruned, verbose=0).output_shape == model.output_shape
    assert kprune.compact(pruned, verbose=0).output_shape == model.output_shape
    assert kprune.export(pruned, tmp_path / "served").error < 1e-5
    if build is not of_few_places:
        row = kprune.compare(model, pruned, repeats=1)["parameters"]
        assert row.before == row.after == model.count_params()


def test_difference_is_a_share_of_the_largest():
    one, other = np.array([4.0, np.nan, 0]), np.array([4.0, np.nan, 2])
    assert made_up.difference([one], [other]) == 0.5
    assert made_up.difference([one, one], [one, one]) == 0
    assert np.isnan(made_up.difference([one], [np.array([np.nan, 1, 0])]))
    zeros = np.zeros(3)
    assert np.isinf(made_up.difference([zeros], [zeros + 1e-9]))
    assert np.isinf(made_up.difference([zeros, zeros], [zeros]))
    assert np.isinf(made_up.difference([zeros], [np.zeros(2)]))
    nan, fine = [one * np.nan, zeros], [one, zeros]
    assert np.isnan(made_up.difference(fine, nan))  # Whatever comes behind.
    words = np.array([b"a", b"b"])
    assert np.isinf(made_up.difference([words], [words[::-1]]))
    assert made_up.difference([zeros], [zeros + 0.5], least=2.0) == 0.25
    infinite = np.array([np.inf, 4.0])  # Which is no scale for the others.
    assert made_up.difference([infinite], [infinite - [0, 1]]) == 0.25


class Drifting(layers.Dense):
    """Computes otherwise once it is rebuilt: its config forgets a factor."""

    factor = 1.0

    def call(self, x):
        return self.factor * super().call(x)


def drifting():
    model = sequential((3,), Drifting(2))
    model.layers[0].factor = 2.0
    return model


@pytest.mark.parametrize("make", [kprune.wrap, kprune.strip, kprune.prune])
def test_a_copy_that_computes_otherwise_is_not_handed_out(make):
    options = {"sparsity": 0.5} if make is kprune.prune else {}
    with pytest.raises(ValueError, match=r"differ by 0\.5 of the largest"):
        make(drifting(), **options)
    make(drifting(), prove=False, **options)


def test_nothing_is_said_of_what_cannot_be_tried():
    class Picky(layers.Layer):
        def call(self, x):
            if x.shape[0] in (None, 7):
                return x
            raise TypeError("seven examples, please")

    x = keras.Input((3,))
    model = keras.Model(x, layers.Dense(2)(Picky()(x)))
    with pytest.raises(ValueError, match="does not take made-up inputs"):
        made_up.taken(model)
    assert kprune.get_masks(kprune.wrap(model))


def test_a_copy_that_does_not_run_is_not_handed_out():
    class Locked(layers.Dense):
        key = None

        def call(self, x):
            if self.key is None and keras.ops.shape(x)[0] == 2:
                raise TypeError("locked")
            return super().call(x)

    model = sequential((3,), Locked(2))
    model.layers[0].key = 1
    with pytest.raises(ValueError, match="does not take what the model takes"):
        kprune.strip(model)


def test_a_copy_of_what_a_constructor_makes_may_go_unproved():
    class Forgetful(keras.Model):
        def __init__(self, factor=1.0):
            super().__init__()
            self.dense, self.factor = layers.Dense(2), factor

        def call(self, x):
            return self.factor * self.dense(x)

        def get_config(self):
            return {}

    model = Forgetful(2.0)
    model(np.ones((2, 3), "float32"))
    for make in (kprune.wrap, kprune.strip):
        with pytest.raises(ValueError, match="has other outputs"):
            make(model)
        assert make(model, prove=False).factor == 1.0
