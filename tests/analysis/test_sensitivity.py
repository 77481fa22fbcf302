"""One layer pruned at a time: what is measured, on what, and how often."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from lifecycle import unchanged
from networks import (
    CE,
    batched,
    conv_net,
    dense_net,
    examples,
    sequential,
    two_replicas,
)

import kprune
from kprune.analysis.sensitivity import evaluation
from kprune.runtime import plots

X, Y = examples(32, 8)


def net(**options):
    model = dense_net(dropout=0, **options)
    model.compile("sgd", CE, metrics=["accuracy"])
    return model


def measured(model, *args, **options):
    data = options.pop("data", (X, Y))
    return kprune.sensitivity(model, data, *args, verbose=0, **options)


class Counted(keras.layers.Layer):
    """Counts how often Python runs through it."""

    calls = 0

    def call(self, inputs):
        Counted.calls += 1
        return inputs


def test_the_loss_of_a_line_by_hand():
    layers = [keras.layers.Dense(1, use_bias=False, name="fc")]
    values = [[[1.0], [-2.0], [4.0], [0.5]]]
    model = sequential((4,), *layers, values=values)
    model.compile("sgd", "mse")
    data = np.array([[1.0, 1.0, 1.0, 2.0]]), np.array([[4.0]])
    found = measured(model, data=data, levels=[0.75, 0.25, 0.5])
    # w.x = 1 - 2 + 4 + 1 = 4. Without 0.5, then 1, then -2: 3, 2, 4.
    assert found.levels == (0.25, 0.5, 0.75)
    assert found.baseline["loss"] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(found.matrix(), [[1, 4, 0]], atol=1e-5)
    assert [cell.removed for cell in found.cells] == [1, 2, 3]
    assert [cell.removed_multiply_adds for cell in found.cells] == [1, 2, 3]
    (unit,) = found.units
    assert (unit.name, unit.weights, unit.groups) == ("fc", ("fc/kernel",), 4)
    assert (found.metric, found.modes, found.examples) == (
        "loss",
        {"loss": "min"},
        1,
    )


@pytest.mark.parametrize(
    "method, options",
    [
        ("magnitude", {}),
        ("wanda", {}),
        ("snip", {}),
        ("magnitude", {"granularity": kprune.Block((4, 1))}),
        ("magnitude", {"granularity": "2:4"}),
        ("magnitude", {"granularity": "channel"}),
    ],
)
def test_a_cell_is_what_prune_does_to_one_layer(method, options):
    model = net(norm=False)
    found = measured(model, method, [0.5], **options)
    x, y = X, Y
    for cell in found.cells:
        others = [w for w in ("a", "b") if w != cell.unit]
        if "granularity" in options and options["granularity"] == "channel":
            others = []  # The channels of `a`, and what reads them in `b`.
        pruned = kprune.prune(
            model, method, 0.5, data=(x, y), exclude=others, **options
        )
        expected = pruned.evaluate(x, y, verbose=0, return_dict=True)
        assert cell.metrics == pytest.approx(expected, rel=1e-5)
        kept = kprune.get_masks(pruned).values()
        assert cell.removed == sum((~mask).sum() for mask in kept)


def test_the_model_stays_and_evaluation_is_traced_once():
    layers = [Counted(), keras.layers.Dense(4, name="a")]
    model = sequential((8,), *layers, loss=CE, optimizer="sgd")
    with unchanged(model):
        measured(model, levels=[0.5])
    traced = Counted.calls
    measured(model, levels=[0.5])
    traced = Counted.calls - traced
    before = Counted.calls
    measured(model, levels=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert Counted.calls - before == traced


def test_no_pass_waits_for_a_tuner():
    batches, _ = evaluation.read(net(), (X, Y), None)
    options = evaluation.as_dataset(batches).options()
    assert options.autotune.enabled is False


def test_masks_that_are_there_stay():
    model = kprune.prune(net(), "magnitude", 0.5)
    found = measured(model, levels=[0.25, 0.75])
    kept = {n: m.sum() for n, m in kprune.get_masks(model).items()}
    # "a/kernel" has 128 entries, of which a quarter are to stay.
    first, second = found.cells[:2]
    assert first.removed == kept["a/kernel"] - min(96, kept["a/kernel"])
    assert second.removed == kept["a/kernel"] - 32
    values = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert found.baseline == pytest.approx(values, rel=1e-5)


def test_metrics_and_which_way_they_are_better():
    found = measured(net(), levels=[0.9])
    assert (found.metric, found.modes["accuracy"]) == ("accuracy", "max")
    worse = found.baseline["accuracy"] - found.matrix()
    np.testing.assert_allclose(found.drops(), worse)
    worse = found.matrix("loss") - found.baseline["loss"]
    np.testing.assert_allclose(found.drops("loss"), worse)

    def share_of_ones(y_true, y_pred):
        return keras.ops.mean(keras.ops.argmax(y_pred, -1) == 1)

    model = net()
    model.compile("sgd", CE, metrics=[share_of_ones])
    found = measured(model, levels=[0.9], metric="share_of_ones", mode="max")
    assert found.modes["share_of_ones"] == "max"


def test_a_model_that_is_not_compiled():
    model = dense_net(dropout=0)
    with pytest.warns(UserWarning, match="is not compiled"):
        found = measured(model, levels=[0.5])
    assert list(found.baseline) == ["loss"]
    assert measured(model, levels=[0.5], loss=CE) == found


def test_a_penalty_on_weights_has_no_part_in_a_drop():
    drops = []
    for penalty in (None, keras.regularizers.L2(0.1)):
        layer = keras.layers.Dense(3, name="a", kernel_regularizer=penalty)
        model = sequential((8,), layer, seed=1, loss=CE, optimizer="sgd")
        drops.append(measured(model, levels=[0.5, 0.9]).drops())
    np.testing.assert_allclose(*drops, atol=1e-5)


class Own(keras.Model):
    """A subclassed model that is tested in its own way."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.a = keras.layers.Dense(4, activation="relu", name="a")
        self.b = keras.layers.Dense(1, name="b")
        self.size = keras.metrics.Mean(name="size")

    def call(self, x):
        return self.b(self.a(x))

    def get_config(self):
        return {}

    def test_step(self, data):
        x, _ = data
        self.size.update_state(keras.ops.abs(self(x, training=False)))
        return {"size": self.size.result()}


def test_a_test_step_of_ones_own():
    model = Own()
    model(X)
    model.compile("sgd")
    found = measured(model, levels=[0.5], mode="max")
    assert (found.metric, found.modes) == ("size", {"size": "max"})
    size = np.abs(model(X).numpy()).mean()
    assert found.baseline["size"] == pytest.approx(size, rel=1e-5)


def test_layers_weights_and_blocks():
    inputs = keras.Input((4, 8))
    x = keras.layers.LSTM(3, name="lstm")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3, name="out")(x))
    model.compile("sgd", CE)
    data = np.zeros((4, 4, 8), "f4"), np.zeros(4, int)
    names = {
        unit: [one.name for one in _units(model, data, unit)]
        for unit in ("layer", "weight", "block")
    }
    assert names["weight"] == [
        "lstm/cell/kernel",
        "lstm/cell/recurrent_kernel",
        "out/kernel",
    ]
    assert names["layer"] == ["lstm/cell", "out"]
    blocks = [_block(name) for name in ("first", "second")]
    model = sequential((8,), *blocks, keras.layers.Dense(3, name="out"))
    model.compile("sgd", CE)
    units = _units(model, (X, Y), "block")
    assert [unit.name for unit in units] == ["first", "second", "out"]
    assert units[0].weights == ("first/a/kernel", "first/b/kernel")
    assert units[0].groups == 8 * 4 + 4 * 8


def _units(model, data, unit):
    return measured(model, data=data, levels=[0.5], unit=unit).units


def _block(name):
    layers = [keras.layers.Dense(n, name=x) for n, x in ((4, "a"), (8, "b"))]
    return keras.Sequential([keras.Input((8,)), *layers], name=name)


# What was measured is not measured again.


@pytest.fixture
def count(monkeypatch):
    """Returns a list that grows by each evaluation but that of the model."""
    seen, measure = [], evaluation.Evaluation.measure

    def counted(self, masks):
        if masks:
            seen.append(masks)
        return measure(self, masks)

    monkeypatch.setattr(evaluation.Evaluation, "measure", counted)
    return seen


def test_a_killed_call_goes_on_and_more_levels_are_added(
    count, tmp_path, monkeypatch
):
    model = net()
    expected = measured(model, levels=[0.3, 0.6, 0.9])
    assert len(count) == 6
    count.clear()
    measure = evaluation.Evaluation.measure

    def killed(self, masks):
        if len(count) == 4:
            raise KeyboardInterrupt
        return measure(self, masks)

    with monkeypatch.context() as patch:
        patch.setattr(evaluation.Evaluation, "measure", killed)
        with pytest.raises(KeyboardInterrupt):
            measured(model, levels=[0.3, 0.6, 0.9], directory=tmp_path)
    count.clear()
    again = {"directory": tmp_path}
    assert measured(model, levels=[0.3, 0.6, 0.9], **again) == expected
    assert len(count) == 2
    measured(model, levels=[0.3, 0.6, 0.9], unit="weight", **again)
    assert len(count) == 2  # The same masks, whatever they are called.
    measured(model, levels=[0.5, 0.6], **again)
    assert len(count) == 4


def test_another_model_or_other_data_are_measured(count, tmp_path):
    model, options = net(), {"levels": [0.5], "directory": tmp_path}
    measured(model, **options)
    x, y = examples(32, 8, seed=5)
    measured(model, data=(x, y), **options)
    measured(net(seed=2), **options)
    bias = model.get_layer("b").bias
    bias.assign(bias + 1)
    measured(model, **options)
    assert len(count) == 4 * 2


def test_a_damaged_cell_is_measured_again(count, tmp_path):
    model = net()
    found = measured(model, levels=[0.5], directory=tmp_path)
    for path in tmp_path.glob("cell-*.json"):
        path.write_text(path.read_text().replace("0.", "1."))
    assert measured(model, levels=[0.5], directory=tmp_path) == found
    assert len(count) == 4


def test_equal_masks_are_measured_once(count):
    layer = keras.layers.Dense(1, use_bias=False, name="fc")
    model = sequential((3,), layer, loss="mse", optimizer="sgd")
    found = measured(model, data=(X[:, :3], X[:, :1]))
    # Of 3 weights 0, 1, 2 or 3 go: three evaluations of nine.
    assert [c.removed for c in found.cells] == [0, 1, 1, 1, 1, 2, 2, 2, 3]
    assert len(count) == 3


# What data may be.


@pytest.mark.parametrize("kind", ["batches", "iterator", "weighted", "lists"])
def test_data_in_the_forms_that_fit_takes(kind):
    model = net()
    expected = model.evaluate(X, Y, verbose=0, return_dict=True)
    data = {
        "batches": lambda: batched(X, Y),
        "iterator": lambda: iter([(X[:20], Y[:20]), (X[20:], Y[20:])]),
        "weighted": lambda: (X, Y, np.ones(32)),
        "lists": lambda: [(X, Y)],
    }[kind]()
    found = measured(model, data=data, levels=[0.5])
    assert found.baseline == pytest.approx(expected, rel=1e-5)
    assert found.examples == 32


def test_sequences_of_several_lengths():
    inputs = keras.Input((None, 2))
    x = keras.layers.GlobalAveragePooling1D()(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3, name="fc")(x))
    model.compile("sgd", CE)
    data = [(np.ones((2, n, 2), "f4"), np.zeros(2, int)) for n in (3, 5)]
    assert measured(model, data=data, levels=[0.5]).examples == 4


def test_several_inputs_and_outputs():
    one, two = keras.Input((3,), name="one"), keras.Input((3,), name="two")
    both = keras.layers.Concatenate()([one, two])
    heads = {
        name: keras.layers.Dense(1, name=name)(both) for name in ("up", "down")
    }
    model = keras.Model({"one": one, "two": two}, heads)
    model.compile("sgd", "mse", metrics={"up": ["mae"], "down": ["mae"]})
    x = {"one": X[:, :3], "two": X[:, 3:6]}
    y = {"up": X[:, 6:7], "down": X[:, 7:8]}
    found = measured(model, data=(x, y), levels=[0.5])
    assert found.metric in ("up_mae", "down_mae")
    assert set(found.modes.values()) == {"min"}


def test_two_replicas_measure_what_one_does():
    with two_replicas().scope():
        model = net(norm=False)
    found = measured(model, data=batched(X, Y, 16), levels=[0.5])
    expected = measured(net(norm=False), levels=[0.5])
    np.testing.assert_allclose(
        found.matrix("loss"), expected.matrix("loss"), 1e-5
    )
    assert found.baseline == pytest.approx(expected.baseline, rel=1e-5)


# What it is shown as.


def test_the_table_has_a_row_for_each_layer():
    found = measured(net(), levels=[0.5, 0.955])
    lines = str(found).splitlines()
    assert lines[0].startswith('"net" by magnitude: accuracy on 32 examples')
    assert lines[1].split() == ["Pruned", "alone", "50", "%", "95.5", "%"]
    row = [f"{value:.4f}" for value in found.matrix()[0]]
    assert lines[3].split() == ["a", *row]
    assert repr(found).startswith("<Sensitivity of 'net' to magnitude")


def test_it_is_written_as_json_and_text(tmp_path):
    found = measured(net(), levels=[0.5])
    found.save(tmp_path / "found.json")
    record = json.loads((tmp_path / "found.json").read_text())
    assert record == found.to_dict() == json.loads(found.to_json())
    assert record["cells"][0]["unit"] == "a"
    found.save(tmp_path / "found.txt")
    assert (tmp_path / "found.txt").read_text() == f"{found}\n"
    with pytest.raises(ValueError, match="Unknown ending"):
        found.save(tmp_path / "found.html")


@pytest.mark.parametrize("name", ["heat.png", "heat.svg"])
def test_the_heat_map(tmp_path, monkeypatch, name):
    found = measured(net(), levels=[0.5, 0.9])
    drawn = {}

    def heat_map(names, matrix, path, title, **options):
        drawn.update(names=names, matrix=matrix, path=path, **options)

    monkeypatch.setattr(plots, "missing", lambda: None)
    monkeypatch.setattr(plots, "heat_map", heat_map)
    found.save(tmp_path / name)
    assert (drawn["names"], drawn["columns"]) == (["a", "b"], ["50 %", "90 %"])
    np.testing.assert_array_equal(drawn["matrix"], found.matrix())
    low, high = drawn["span"]
    assert low <= found.matrix().min() and high >= found.baseline["accuracy"]
    monkeypatch.setattr(plots, "missing", lambda: "It needs matplotlib.")
    with pytest.raises(ValueError, match="needs matplotlib"):
        found.save(tmp_path / name)


# What is refused.

_WRONG = {
    "level 1": ({"levels": [1.0]}, "in \\(0, 1\\)"),
    "no level": ({"levels": []}, "one sparsity or more"),
    "2:4": ({"levels": [0.6], "granularity": "2:4"}, "fixes the sparsity"),
    "rounds": ({"method": "force"}, "a method that scores once"),
    "in blocks": (
        {"method": "wanda", "sequential": True},
        "a method that scores once",
    ),
    "allocation": ({"allocation": "erk"}, "Received: allocation"),
    "metric": ({"metric": "acuracy"}, "Did you mean 'accuracy'"),
    "unit": ({"unit": "layers"}, "Did you mean 'layer'"),
    "method": ({"method": "magnitud"}, "Did you mean 'magnitude'"),
    "all out": ({"exclude": ["a", "b"]}, "Nothing is left to prune"),
    "endless": (
        {"data": tf.data.Dataset.from_tensors((X, Y)).repeat()},
        "has no end",
    ),
    "other inputs": ({"data": (X[:, :3], Y)}, "does not fit model"),
    "labels": ({"data": (X, Y + 7)}, "label"),
    "no labels": (
        {"data": tf.data.Dataset.from_tensors(X)},
        "to be \\(x, y\\)",
    ),
}


@pytest.mark.parametrize("options, words", _WRONG.values(), ids=_WRONG)
def test_what_is_refused(options, words):
    model = net()
    with unchanged(model), pytest.raises(ValueError, match=words):
        measured(model, **options)


def test_a_metric_that_does_not_say_which_way_is_better():
    def mean_output(y_true, y_pred):
        return keras.ops.mean(y_pred)

    model = conv_net()
    model.compile("sgd", CE, metrics=[mean_output])
    x, y = examples(8, 6, 6, 2)
    with pytest.raises(ValueError, match='`mode="max"` or `mode="min"`'):
        measured(model, data=(x, y), levels=[0.5])
    found = measured(model, data=(x, y), levels=[0.5], metric="loss")
    with pytest.raises(ValueError, match="a higher 'mean_output' is better"):
        found.drops("mean_output")
