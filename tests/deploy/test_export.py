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

SLOW = pytest.mark.slow


def pruned(model=None):
    return kprune.prune(model or two_layers(), "magnitude", 0.5)


def assert_serves(model, path, *x, tolerance=1e-6):
    """Exports a model, and asserts that it serves what the model computes."""
    kprune.export(model, path)
    loaded = tf.saved_model.load(path)  # Kept: it dies with its last name.
    served = loaded.serve(*x)
    arrays = served, model(*x)
    if not isinstance(served, dict):  # NumPy does not compute in bfloat16.
        arrays = [tf.cast(y, "float32") for y in arrays]
    assert_same(*arrays, tolerance)
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


@pytest.mark.parametrize(
    "path, message",
    [
        ("occupied", "is occupied. Expected a new or empty one"),
        ("occupied/file", "where no file is"),
        ("occupied/file/model", "Cannot write"),
        ("/proc/kprune/model", "Cannot write"),
    ],
)
def test_a_place_that_will_not_do(path, message, tmp_path):
    (tmp_path / "occupied").mkdir()
    (tmp_path / "occupied" / "file").write_text("keep me")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=message):
        kprune.export(pruned(), tmp_path / path)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "occupied" / "file").read_text() == "keep me"


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_failure_on_the_way_leaves_nothing(error, tmp_path, monkeypatch):
    def fail(self, path, **options):
        pathlib.Path(path).mkdir()
        (pathlib.Path(path) / "half.pb").write_text("")
        raise error

    archive = type(keras.export.ExportArchive())
    monkeypatch.setattr(archive, "write_out", fail)
    with pytest.raises(type(error), match=r"model: disk full|^$"):
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


@keras.saving.register_keras_serializable("tests")
class OfOne(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.a, self.b = layers.Dense(3), layers.Dense(2)

    def call(self, x):
        return self.b(self.a(x))


@pytest.mark.parametrize("name", ["model.kpz", "model.keras"])
def test_a_subclassed_model_is_exported_and_loaded(name, tmp_path):
    model, x = OfOne(), normal(2, 4)
    model(x)
    model = pruned(model)
    exported = kprune.export(model, tmp_path / name)
    assert exported.error == 0
    load = (
        kprune.load_packed if name.endswith("kpz") else keras.saving.load_model
    )
    loaded = load(tmp_path / name)
    kprune.export(loaded, tmp_path / "served")  # Loaded, and never called.
    served = tf.saved_model.load(tmp_path / "served")
    assert_same(served.serve(x), model(x), 1e-6)


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
    assert_serves(pruned(), tmp_path / "model", normal(2, 4), tolerance=1e-2)


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


def graph_and_net():
    """A graph of attention and RNN, and a subclassed model, with inputs."""
    namespace = {}
    exec(textwrap.dedent(CLASSES), namespace)
    i = keras.Input((5, 4))
    h = layers.MultiHeadAttention(2, 3)(i, i)
    h = layers.Bidirectional(layers.GRU(3))(h)
    graph = keras.Model(i, layers.Dense(2)(h))
    net, x = namespace["Net"](4), normal(2, 5)
    net(x)
    return {"graph": (pruned(graph), normal(2, 5, 4)), "net": (pruned(net), x)}


@pytest.mark.parametrize(
    "first", [IMPORT_BLOCKER, pytest.param("import kprune", marks=SLOW)]
)
def test_another_process_loads_what_was_stripped_or_has_masks(first, tmp_path):
    data = {}
    for name, (model, x) in graph_and_net().items():
        data |= {f"{name}_x": x, f"{name}_y": model(x).numpy()}
        for weight, mask in kprune.get_masks(model).items():
            data[f"{name}/{weight}"] = mask
        if first == IMPORT_BLOCKER:
            kprune.export(model, tmp_path / name)
            model = kprune.strip(model)
        model.save(tmp_path / f"{name}.keras")
    np.savez(tmp_path / "data.npz", **data)
    assert "the same" in run(first + CLASSES + COMPARE, tmp_path)


def test_augmentation_is_not_served(tmp_path):
    flat = layers.Flatten()
    model = sequential((4, 4, 3), layers.RandomFlip(), flat, layers.Dense(3))
    x = normal(8, 4, 4, 3)
    kprune.export(kprune.wrap(model), tmp_path / "served")
    loaded = tf.saved_model.load(tmp_path / "served")
    assert_same(loaded.serve(x), model(x, training=False), 1e-5)
