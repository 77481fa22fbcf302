"""What kprune writes serves, loads without kprune, and is whole or nothing."""

import pathlib
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from lifecycle import assert_same, normal, two_layers, unchanged
from networks import sequential

import kprune


def pruned(model=None):
    return kprune.prune(model or two_layers(), "magnitude", 0.5)


def assert_serves(model, path, *x, tolerance=1e-6):
    """Exports a model, and asserts that it serves what the model computes."""
    kprune.export(model, path)
    loaded = tf.saved_model.load(path)  # Kept: it dies with its last name.
    served = loaded.serve(*x)
    assert_same(served, model(*x), tolerance)
    return served


# Where to write.


def test_a_new_directory_below_new_ones(tmp_path):
    assert_serves(pruned(), tmp_path / "a" / "b" / "model", normal(3, 4))
    assert [p.name for p in (tmp_path / "a" / "b").iterdir()] == ["model"]


def test_an_empty_directory_and_a_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    # Of a model that is not wrapped, too.
    assert_serves(two_layers(), "model", normal(3, 4))
    assert (tmp_path / "model" / "saved_model.pb").exists()


def occupied(root):
    (root / "model").mkdir()
    (root / "model" / "mine.txt").write_text("keep me")
    return root / "model"


def a_file(root):
    (root / "model").write_text("keep me")
    return root / "model"


def below_a_file(root):
    (root / "file").write_text("keep me")
    return root / "file" / "model"


def in_a_place_that_takes_none(root):
    return pathlib.Path("/proc/kprune/model")


@pytest.mark.parametrize(
    "make, message",
    [
        (occupied, "is occupied. Expected a new or empty one"),
        (a_file, "is a file"),
        (below_a_file, "Cannot write"),
        (in_a_place_that_takes_none, "Cannot write"),
    ],
)
def test_a_place_that_will_not_do(make, message, tmp_path):
    path = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=message):
        kprune.export(pruned(), path)
    assert sorted(tmp_path.rglob("*")) == before
    assert all(p.read_text() == "keep me" for p in before if p.is_file())


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_failure_on_the_way_leaves_nothing(error, tmp_path, monkeypatch):
    def fail(self, path, **options):
        (pathlib.Path(path) / "half.pb").write_text("")
        raise error

    monkeypatch.setattr(keras.Model, "export", fail)
    expected = ValueError if isinstance(error, OSError) else type(error)

    with pytest.raises(expected):
        kprune.export(pruned(), tmp_path / "a" / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_serves_other_outputs_is_not_put_in_place(tmp_path):
    class Fickle(layers.Layer):
        def call(self, x):
            return x if tf.executing_eagerly() else 2 * x

    model = sequential((4,), layers.Dense(3), Fickle())

    with pytest.raises(ValueError, match="does not give the model's outputs"):
        kprune.export(pruned(model), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


# What to write.


def test_inputs_in_a_list(tmp_path):
    a, b = keras.Input((4,)), keras.Input((None, 4))
    out = layers.Dense(3)(layers.Add()([layers.Flatten()(a), b[:, 0]]))
    x = [normal(2, 4), normal(2, 5, 4)]
    assert_serves(pruned(keras.Model([a, b], out)), tmp_path / "model", x)


def test_inputs_and_outputs_in_a_dict(tmp_path):
    inputs = {
        "tokens": keras.Input((6,), dtype="int32", name="tokens"),
        "x": keras.Input((4,), name="x"),
    }
    tokens = layers.Embedding(9, 4)(inputs["tokens"])
    h = layers.GlobalAveragePooling1D()(tokens) + inputs["x"]
    outputs = {"p": layers.Dense(2)(h), "q": layers.Dense(3)(h)}
    x = {"tokens": np.arange(12, dtype="int32").reshape(2, 6) % 9}
    x["x"] = normal(2, 4)
    model = pruned(keras.Model(inputs, outputs))
    assert sorted(assert_serves(model, tmp_path / "model", x)) == ["p", "q"]


@keras.saving.register_keras_serializable("tests")
class TwoArguments(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.a, self.b = layers.Dense(3), layers.Dense(3)

    def call(self, one, other):
        return self.a(one) - self.b(other)


@keras.saving.register_keras_serializable("tests")
class BuiltOfTwo(TwoArguments):
    def build(self, one_shape, other_shape):
        self.a.build(one_shape)
        self.b.build(other_shape)


def test_a_subclassed_model_of_two_arguments(tmp_path):
    model, x = BuiltOfTwo(), (normal(2, 4), normal(2, 5))
    model(*x)
    assert_serves(pruned(model), tmp_path / "model", *x)


def test_a_model_of_which_keras_records_one_argument_of_two(tmp_path):
    model, x = TwoArguments(), (normal(2, 4), normal(2, 5))
    model(*x)
    model = pruned(model)  # Keras itself could not load a copy of it.
    assert_same(kprune.strip(model)(*x), model(*x))
    with pytest.raises(ValueError, match="does not take the inputs that"):
        kprune.export(model, tmp_path / "model")


def test_a_stateful_model_of_a_fixed_batch(tmp_path):
    model = keras.Sequential(
        [keras.Input(batch_shape=(2, 5, 4)), layers.GRU(3, stateful=True)]
    )
    model, x = pruned(model), normal(2, 5, 4)
    with unchanged(model):
        kprune.export(model, tmp_path / "model")
    loaded = tf.saved_model.load(tmp_path / "model")
    assert_same(loaded.serve(x), model(x), 1e-6)


@pytest.mark.parametrize("size", [9, 70])  # The check takes images of 64.
def test_a_model_of_images_of_any_size(size, tmp_path):
    model = sequential(
        (None, None, 1),
        layers.AveragePooling2D(size),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3),
    )
    assert_serves(pruned(model), tmp_path / "model", normal(2, 90, 80, 1))


def test_mixed_precision(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model, x = pruned(), normal(2, 4)
    kprune.export(model, tmp_path / "model")
    loaded = tf.saved_model.load(tmp_path / "model")
    served = loaded.serve(x)
    assert_same(tf.cast(served, "float32"), tf.cast(model(x), "float32"), 1e-2)


# In another process.

CLASSES = """
import keras
from keras import layers


@keras.saving.register_keras_serializable("fresh")
class Net(keras.Model):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.blocks = [layers.Dense(units), (layers.Dense(units),)]
        self.heads = {"p": layers.Dense(3), "q": [layers.Dense(3)]}
        self.nested = keras.Sequential(
            [layers.Dense(units), layers.BatchNormalization(),
             layers.Dense(units)]
        )

    def call(self, x):
        x = self.blocks[1][0](self.blocks[0](x))
        x = self.nested(x)
        return self.heads["p"](x) * self.heads["q"][0](x)

    def get_config(self):
        return {**super().get_config(), "units": self.units}
"""
IMPORT_BLOCKER = """
import sys


class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "kprune":
            raise ImportError(f"{name} is not here")


sys.meta_path.insert(0, Blocker())
"""
COMPARE = """
import keras, numpy as np, tensorflow as tf

data = np.load("data.npz")
for name in ("graph", "net"):
    x, y = data[f"{name}_x"], data[f"{name}_y"]
    model = keras.models.load_model(f"{name}.keras")
    assert np.array_equal(model(x), y), name
    if "kprune" in sys.modules:
        masks = kprune.get_masks(model)
        names = [k for k in data if k.startswith(f"{name}/")]
        assert sorted(names) == sorted(f"{name}/{k}" for k in masks)
        assert all(
            np.array_equal(masks[k.partition("/")[2]], data[k]) for k in names
        )
    else:
        loaded = tf.saved_model.load(name)
        assert np.allclose(loaded.serve(x), y, atol=1e-5), name
        model.compile("sgd", "mse", run_eagerly=True)
        model.train_on_batch(x, y)
print("the same")
"""


def run(code, directory):
    """Runs a program in `directory`, where kprune's source may be found."""
    root = pathlib.Path(kprune.__file__).parents[1]
    code = f"import sys\nsys.path.append({str(root)!r})\n{code}"
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope="module")
def graph_and_net():
    """Pruned: a graph of attention and RNN, and a subclassed model."""
    namespace = {}
    exec(textwrap.dedent(CLASSES), namespace)
    i = keras.Input((5, 4))
    h = layers.MultiHeadAttention(2, 3)(i, i)
    h = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(h)
    h = layers.TimeDistributed(layers.Dense(4))(h)
    graph = keras.Model(i, layers.Dense(2)(layers.GRU(3)(h)))
    net = namespace["Net"](4)
    net(normal(2, 5))
    x = {"graph": normal(2, 5, 4), "net": normal(2, 5)}
    return {"graph": pruned(graph), "net": pruned(net)}, x


def test_a_process_without_kprune_loads_what_was_stripped(
    graph_and_net, tmp_path
):
    models, x = graph_and_net
    data = {}
    for name, model in models.items():
        kprune.strip(model).save(tmp_path / f"{name}.keras")
        kprune.export(model, tmp_path / name)
        data |= {f"{name}_x": x[name], f"{name}_y": model(x[name]).numpy()}
    np.savez(tmp_path / "data.npz", **data)
    assert "the same" in run(IMPORT_BLOCKER + CLASSES + COMPARE, tmp_path)


@pytest.mark.slow
def test_a_process_that_imports_kprune_loads_what_has_masks(
    graph_and_net, tmp_path
):
    models, x = graph_and_net
    data = {}
    for name, model in models.items():
        model.save(tmp_path / f"{name}.keras")
        data |= {f"{name}_x": x[name], f"{name}_y": model(x[name]).numpy()}
        for weight, mask in kprune.get_masks(model).items():
            data[f"{name}/{weight}"] = mask
    np.savez(tmp_path / "data.npz", **data)
    assert "the same" in run("import kprune" + CLASSES + COMPARE, tmp_path)
