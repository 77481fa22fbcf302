"""`kprune.compare`: sizes by hand, times by a clock, nothing changed."""

import gzip
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from lifecycle import unchanged
from networks import dense_net, sequential

import kprune
from kprune.deploy.comparison import Comparison, Row, running

layers = keras.layers


def compare(*models, **options):
    return kprune.compare(*models, **{"verbose": 0, **options})


def dense(units=4, name="net", inputs=3):
    """inputs x units + units, units x 2 + 2 parameters."""
    stack = layers.Dense(units, "relu", name="fc1"), layers.Dense(2, name="fc2")
    return sequential((inputs,), *stack, name=name)


def given(timed):
    """Returns the batches that the functions are called with."""
    return [f.args[1] for before, after, _ in timed for f in (before, after)]


def numbers(row):
    return row.before, row.after, row.ratio


def one_layer(shape, layer, name="net", **options):
    inputs = keras.Input(shape, name="x", **options)
    return keras.Model(inputs, layer(inputs), name=name)


def test_sizes_of_a_model_and_its_shrunk_form(timed):
    model = dense()
    model.get_layer("fc1").kernel.assign(np.array([[1.0, 2, 0, 0]] * 3))
    model.get_layer("fc1").bias.assign([1, 1, 0, 0])
    small = kprune.shrink(model, verbose=0)
    found = compare(model, small)
    # 3 x 4 + 4 + 4 x 2 + 2 and 3 x 2 + 2 + 2 x 2 + 2.
    assert numbers(found["parameters"]) == (26, 14, 26 / 14)
    # 3 x 4 + 4 x 2, zeros included, and 3 x 2 + 2 x 2.
    assert numbers(found["multiply-adds per example"]) == (20, 10, 2)


def test_moving_statistics_and_positions_count(timed):
    def net(filters):
        norm = layers.BatchNormalization(name="bn")
        last = layers.GlobalAveragePooling2D(name="mean"), layers.Dense(2)
        return sequential((6, 6, 1), layers.Conv2D(filters, 3), norm, *last)

    found = compare(net(4), net(1))
    # 9 f + f of the convolution, 4 f of the norm, 2 f + 2 of the last layer.
    assert numbers(found["parameters"]) == (66, 18, 66 / 18)
    # 9 f at 4 x 4 positions, and 2 f.
    assert numbers(found["multiply-adds per example"]) == (584, 146, 4)


def test_the_file_is_that_of_the_plain_model_without_optimizer(timed, tmp_path):
    model = dense(64)
    sizes = []
    for units in (64, 8):
        dense(units).save(tmp_path / "m.keras")
        data = (tmp_path / "m.keras").read_bytes()
        sizes.append((len(data), len(gzip.compress(data, 6))))
    pruned = kprune.wrap(model)
    pruned.compile("adam", "mse", run_eagerly=True)
    pruned.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    found = compare(pruned, dense(8))
    file, gzipped = found["file"], found["file, gzipped"]
    assert file.unit == gzipped.unit == "bytes"
    # The names and the date that Keras writes differ by some letters.
    assert file.before == pytest.approx(sizes[0][0], abs=256)
    assert file.after == pytest.approx(sizes[1][0], abs=256)
    assert gzipped.after == pytest.approx(sizes[1][1], abs=256)
    assert gzipped.before < file.before
    pruned.save(tmp_path / "adam.keras")
    assert (tmp_path / "adam.keras").stat().st_size > file.before + 1000


def test_zeros_compress(timed):
    zeros, full = dense(100), dense(100)
    zeros.set_weights([np.zeros_like(w) for w in zeros.get_weights()])
    found = compare(full, zeros)
    assert found["file"].ratio == pytest.approx(1, abs=0.01)
    assert found["file, gzipped"].ratio > 1.2


def test_times_are_those_of_inference_and_training(timed):
    found = compare(dense(), dense(2), batch_size=5, repeats=7)
    names = [row.name for row in found.rows[4:]]
    assert names == [
        "inference, batch 1",
        "inference, batch 5",
        "training step, batch 5",
    ]
    for name in names:
        expected = Row(name, 8.0, 2.0, 4.0, (3.5, 4.25), "ms")
        assert found[name] == expected
    assert [repeats for *_, repeats in timed] == [7, 7, 7]
    # The function and the batch that each is called with.
    shapes = [x.shape for x in given(timed)]
    assert shapes == [(1, 3)] * 2 + [(5, 3)] * 4
    # One row of inference is enough for batches of one.
    found = compare(dense(), dense(2), batch_size=1)
    names = [row.name for row in found.rows[4:]]
    assert names == ["inference, batch 1", "training step, batch 1"]


def test_a_fixed_batch_is_kept_to(timed):
    nets = [one_layer((3,), layers.Dense(n), batch_size=4) for n in (4, 2)]
    found = compare(*nets, batch_size=32)
    names = [row.name for row in found.rows[4:]]
    assert names == ["inference, batch 4", "training step, batch 4"]
    assert numbers(found["multiply-adds per example"]) == (12, 6, 2)


def test_the_inputs_are_the_first_batch_of_the_data(timed):
    x, y = np.arange(30.0).reshape(10, 3), np.zeros(10)
    compare(dense(), dense(2), data=(x, y), batch_size=4, repeats=1)
    for one, count in zip(given(timed), (1, 1, 4, 4, 4, 4), strict=True):
        np.testing.assert_array_equal(one, x[:count])


def test_open_shapes_need_data(timed):
    nets = [one_layer((None, 3), layers.Dense(n), f"open{n}") for n in (4, 2)]
    with pytest.raises(ValueError, match="'open4' takes inputs of open shape"):
        compare(*nets)
    data = (np.ones((2, 5, 3)), np.ones(2))
    found = compare(*nets, data=data)
    # 3 x 4 at each of 5 steps.
    assert numbers(found["multiply-adds per example"]) == (60, 30, 2)
    assert found.rows[-1].name == "training step, batch 2"


@keras.saving.register_keras_serializable("test_comparing")
class Quadratic(layers.Layer):
    """Has a kernel, and computes with it by itself."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 2), name="kernel")

    def call(self, x):
        return (x @ self.kernel) ** 2


def test_what_is_not_known_is_none(timed):
    model, frozen = (one_layer((3,), Quadratic(name="quad")) for _ in "ab")
    frozen.trainable = False
    found = compare(model, frozen)
    row = found["multiply-adds per example"]
    assert numbers(row) == (None, None, None)
    assert numbers(found.rows[-1]) == (None, None, None)
    assert found.rows[-1].name == "training step, batch 32"
    assert numbers(found["parameters"]) == (6, 6, 1)
    lines = str(found).splitlines()
    assert lines[4].split("  ")[0] == "Multiply-adds per example"
    assert lines[4].split()[-3:] == ["n/a"] * 3
    json.dumps(found.to_dict())


def test_nothing_left_is_no_ratio(timed):
    empty = one_layer((3,), layers.ReLU(name="relu"))
    found = compare(dense(), empty)
    assert numbers(found["parameters"]) == (26, 0, None)


def test_inputs_by_name(timed):
    def net(units):
        a, b = (keras.Input((3,), name=name) for name in "ab")
        x = layers.Concatenate(name="both")([a, b])
        outputs = {"out": layers.Dense(units, name="fc")(x), "in": a}
        return keras.Model({"b": b, "a": a}, outputs, name="named")

    found = compare(net(4), net(2), batch_size=3)
    assert numbers(found["multiply-adds per example"]) == (24, 12, 2)
    assert found["training step, batch 3"].ratio == 4
    assert timed[-1][0].args[1]["b"].shape == (3, 3)


@keras.saving.register_keras_serializable("test_comparing")
class Subclassed(keras.Model):
    def __init__(self, units=4, **options):
        super().__init__(**options)
        self.units = units
        self.fc = layers.Dense(units, name="fc")
        self.drop = layers.Dropout(0.5, name="drop")

    def call(self, x, training=False):
        return self.drop(self.fc(x), training=training)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def test_subclassed_models(timed):
    models = [Subclassed(units, name=f"own{units}") for units in (4, 2)]
    for model, examples in zip(models, (2, 7), strict=True):
        model(np.ones((examples, 3)))
    found = compare(*models, batch_size=3)
    assert numbers(found["multiply-adds per example"]) == (12, 6, 2)
    assert found.rows[-1].name == "training step, batch 3"


def noisy():
    """A model that draws, counts and normalizes as it trains."""
    model = dense_net(3, 4, 2)
    model.compile(keras.optimizers.Adam(), "mse", run_eagerly=True)
    model.fit(np.ones((8, 3)), np.ones((8, 2)), verbose=0)
    return model


def test_neither_model_changes_nor_the_random_state():
    models = [noisy(), kprune.wrap(noisy())]
    with unchanged(*models):
        found = compare(*models, batch_size=4, repeats=1)
    assert found["training step, batch 4"].ratio > 0
    assert all(model.compiled for model in models)


@keras.saving.register_keras_serializable("test_comparing")
class Drawing(layers.Layer):
    """Draws from Keras' own random state, as it has no seed."""

    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x))


def test_the_random_states_of_keras_and_tensorflow_stay(timed):
    model = sequential((3,), layers.Dense(2), Drawing(name="draw"))

    def drawn_after(function):
        keras.utils.set_random_seed(3)
        keras.random.normal((1,))
        function()
        return keras.random.normal((3,)), tf.random.normal((3,))

    expected = drawn_after(lambda: None)
    found = drawn_after(lambda: compare(model, model))
    np.testing.assert_array_equal(found, expected)


def test_a_training_step_goes_back_through_all_layers():
    model = noisy()
    x = keras.ops.ones((4, 3)) * keras.ops.reshape([1.0, 2, 3, 4], (4, 1))
    before = [np.array(v) for v in model.variables]
    running.training_step(model, x)()
    changed = {
        variable.path.split("/")[-1]
        for variable, value in zip(model.variables, before, strict=True)
        if not np.array_equal(variable, value)
    }
    assert changed == {"moving_mean", "moving_variance", "seed_generator_state"}


def test_the_accuracy_is_not_that_after_the_timed_steps():
    # With the mean 0 and the variance 1 that it begins with, both examples are
    # of class 0. A step makes them [10, 1.5] and [0, 0.25]: one is of class 1.
    model = one_layer((2,), layers.BatchNormalization(momentum=0.0))
    x, y = np.array([[10.0, 1.0], [10.0, 2.0]], "float32"), np.array([0, 0])
    found = compare(model, model, data=(x, y), repeats=1)
    accuracy = found["accuracy"]
    assert (accuracy.before, accuracy.after) == (1, 1)


def test_the_step_computes_the_gradient(monkeypatch):
    sgd = keras.optimizers.SGD
    monkeypatch.setattr(
        keras.optimizers, "SGD", lambda rate, name: sgd(rate + 1.0, name=name)
    )
    penalty = keras.regularizers.L2(2)
    layer = layers.Dense(1, use_bias=False, kernel_regularizer=penalty)
    model = sequential((1,), layer, values=[[[3.0]]])
    running.training_step(model, tf.constant([[2.0], [4.0]]))()
    # The mean of (w x)^2 has the derivative 2 w (4 + 16) / 2 = 60, and
    # 2 w^2 that of 12. At a rate of 1 they are taken off as they are.
    np.testing.assert_allclose(layer.kernel, [[3 - 72]])


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("net", dense()), "`before` to be a keras.Model"),
        ((dense(), None), "`after` to be a keras.Model"),
        ((dense(), keras.Sequential([layers.Dense(2)])), "is not built"),
        (
            (dense(), dense(name="wide", inputs=5)),
            r"Received: 'net' with float32 of shape \(None, 3\), 'wide' with "
            r"float32 of shape \(None, 5\)",
        ),
    ],
)
def test_bad_models_are_answered(arguments, said):
    with pytest.raises(ValueError, match=said):
        compare(*arguments)


@pytest.mark.parametrize("name", ["batch_size", "repeats"])
def test_bad_numbers_are_answered(name):
    with pytest.raises(ValueError, match=f"`{name}`. Expected an integer >= 1"):
        compare(dense(), dense(), **{name: 0})


def test_data_without_examples_are_answered():
    with pytest.raises(ValueError, match="does not fit model 'net'"):
        compare(dense(), dense(), data=[[1.0, 2.0], [3.0, 4.0]])


def test_data_of_other_shapes_are_answered():
    data = (np.ones((4, 5)), np.ones(4))
    with pytest.raises(ValueError, match="`data` does not fit model 'net'"):
        compare(dense(), dense(), data=data)


def test_progress_is_shown_if_asked_for(timed, capsys):
    compare(dense(), dense(2))
    assert capsys.readouterr().out == ""
    compare(dense(), dense(2), verbose=1)
    assert "5/5" in capsys.readouterr().out


def compared():
    rows = (
        Row("parameters", 1234567, 1000, 1234.567),
        Row("inference, batch 1", 1234.5, 0.25, 4938.0, (2, 5000), "ms"),
        Row("training step, batch 8", None, None, None, unit="ms"),
    )
    return Comparison("big", "small", rows, 5)


def test_the_table():
    assert str(compared()) == "\n".join(
        [
            'Before: "big". After: "small".',
            "What                           Before  After      Ratio"
            "      Middle half",
            "-" * 72,
            "Parameters                  1,234,567  1,000  1234.57 x",
            "Inference, batch 1, ms       1,234.50   0.25  4938.00 x"
            "  2.00 to 5000.00",
            "Training step, batch 8, ms        n/a    n/a        n/a",
            "-" * 72,
            "Ratios are before / after: above 1, after is smaller or faster.",
            "Those of times are medians of 5, taken by turns in one process.",
        ]
    )


def test_as_a_dict_and_by_name():
    found = json.loads(json.dumps(compared().to_dict()))
    names = ("before", "after", "repeats")
    assert [found[name] for name in names] == ["big", "small", 5]
    names = ("name", "before", "after", "ratio", "spread", "unit")
    row = "inference, batch 1", 1234.5, 0.25, 4938.0, [2, 5000], "ms"
    assert found["rows"][1] == dict(zip(names, row, strict=True))
    assert found["rows"][0]["spread"] is None
    assert compared()["parameters"].after == 1000
    with pytest.raises(ValueError, match="Did you mean 'parameters'"):
        compared()["parameter"]


def test_outputs_that_do_not_depend_on_inputs_are_told_of(timed):
    before, after = dense(), dense(name="cut")
    after.layers[-1].kernel.assign(np.zeros((4, 2)))
    found = compare(before, after, repeats=1)
    assert found.cut_off == ("after",) == tuple(found.to_dict()["cut_off"])
    assert 'The outputs of "cut" (after) do not depend on' in str(found)
    assert compare(before, before, repeats=1).cut_off == ()
    # Of equal examples nothing is told.
    assert (
        compare(before, after, data=(np.ones((4, 3)), np.ones(4))).cut_off == ()
    )


class WithoutTraining(keras.Model):
    def __init__(self):
        super().__init__()
        self.fc = layers.Dense(2)

    def call(self, x):
        return self.fc(x)


def test_a_call_need_not_take_training(timed):
    model, x = WithoutTraining(), np.ones((4, 3), "float32")
    model(x)
    found = compare(model, model, data=(x, np.ones(4)), repeats=1)
    assert len(timed) == 3 and found["parameters"].ratio == 1


def test_rows_of_several_lengths_are_compared_on(timed):
    stack = layers.Embedding(9, 4), layers.GlobalAveragePooling1D()
    model = keras.Sequential([keras.Input((None,), dtype="int32"), *stack])
    for rows, cut_off in (([[1, 2], [3]], ()), ([[1, 2], [1, 2]], ())):
        x = tf.ragged.constant(rows, dtype="int32")
        found = compare(model, model, data=(x, np.ones(2)), repeats=1)
        assert found.cut_off == cut_off
    model.layers[0].embeddings.assign(np.ones((9, 4)))
    x = tf.ragged.constant([[1, 2], [3]], dtype="int32")
    found = compare(model, model, data=(x, np.ones(2)), repeats=1)
    assert found.cut_off == ("before", "after")
