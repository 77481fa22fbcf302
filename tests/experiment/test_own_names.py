"""A user's own models, data, losses and methods, by name in configs."""

import hashlib
import json
import os
import textwrap
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

import kprune
from kprune import datasets, experiment, models
from kprune.runtime import own_names

_MINE = """
import keras
import numpy as np
import tensorflow as tf

def network(classes, input_shape, seed, width=6):
    # Keras' own initializer is drawn by a seed.
    kernel = keras.initializers.GlorotUniform(seed=seed)
    return keras.Sequential([
        keras.Input(input_shape),
        keras.layers.Dense(
            width, "relu", kernel_initializer=kernel, name="first"
        ),
        keras.layers.Dense(classes, kernel_initializer=kernel, name="second"),
    ])

def data():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 90)
    x = rng.normal(size=(90, 4)) + 2 * np.eye(4)[y]
    return (x[:60], y[:60]), (x[60:], y[60:])

def smallest(objective, weights, masks):
    return {name: -tf.abs(w) for name, w in weights.items()}

def softmax(classes, input_shape, seed):
    model = network(classes, input_shape, seed)
    return keras.Sequential([model, keras.layers.Softmax(name="soft")])

def loss(y, logits):
    return keras.losses.sparse_categorical_crossentropy(y, logits, True)

def of_probabilities(y, probabilities):
    return keras.losses.sparse_categorical_crossentropy(y, probabilities)

def top2(y, logits):
    return keras.metrics.sparse_top_k_categorical_accuracy(y, logits, 2)

class Recorded(keras.callbacks.Callback):
    epochs = []

    def on_epoch_end(self, epoch, logs=None):
        Recorded.epochs.append(epoch)

def slow(learning_rate):
    return keras.optimizers.SGD(0.1 * learning_rate)

number = 3
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Returns the name of a module in the current directory, new each time."""
    name = f"mine_{tmp_path.name}".replace("-", "_").replace("[", "_")
    name = "".join(c if c.isalnum() else "_" for c in name)
    (tmp_path / f"{name}.py").write_text(_MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def config(mine, **changes):
    found = {
        "model": {"name": f"{mine}:network"},
        "dataset": {"name": f"{mine}:data", "batch_size": 20},
        "pruner": {"method": f"{mine}:smallest", "sparsity": 0.5},
        "training": {"epochs": 2},
        "artifacts": False,
    }
    for key, value in changes.items():
        found[key] = {**found.get(key, {}), **value}
    return found


def test_all_of_ones_own_in_one_run(mine, tmp_path):
    given = config(
        mine,
        model={"width": 8},
        training={
            "loss": f"{mine}:loss",
            "metrics": [f"{mine}:top2"],
            "callbacks": [f"{mine}:Recorded"],
            "optimizer": f"{mine}:slow",
            "epochs": 2,
        },
    )
    built = experiment.build(given, verbose=0)
    assert built.model.layers[0].layer.units == 8
    assert float(built.model.optimizer.learning_rate) == pytest.approx(1e-4)
    masks = kprune.get_masks(built.model)
    weights = kprune.Objective(experiment.network(given)).weights
    for name, mask in masks.items():
        sizes = np.abs(np.asarray(weights[name]))
        assert sizes[mask].max() <= sizes[~mask].min()  # Over all of them.
    result = experiment.run(given, tmp_path / "run", verbose=0)
    assert {"test_accuracy", "test_top2", "test_loss"} <= set(result)
    recorded = own_names.get(f"{mine}:Recorded", "callback")
    assert recorded.epochs == [0, 1]


def test_a_changed_source_is_another_run(mine, tmp_path):
    given = config(mine)
    before = experiment.complete(given)
    path = tmp_path / f"{mine}.py"
    path.write_text(_MINE.replace("# Keras' own", "# Some other"))
    assert experiment.name(given) == experiment.name(before)
    path.write_text(_MINE.replace("width=6", "width=7"))
    # What was imported is what runs: it is the source that is read anew.
    assert experiment.name(given) != experiment.name(before)
    assert experiment.name(before) == experiment.name(before.to_dict())
    with pytest.raises(ValueError, match="has changed since the config"):
        experiment.build(before, verbose=0)


def test_a_run_is_known_where_its_source_is_not(mine, tmp_path, monkeypatch):
    made = experiment.complete(config(mine)).to_dict()
    text = json.dumps(made)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / f"{mine}.py").unlink()
    assert experiment.name(json.loads(text)) == experiment.name(made)


def test_a_config_that_is_read_runs_nothing(tmp_path, monkeypatch):
    """A record of a stranger's may name a module that lies there."""
    path = tmp_path / "strangers_thing.py"
    path.write_text("open('it_ran', 'w')\ndef network():\n    pass\n")
    monkeypatch.chdir(tmp_path)
    given = {"model": {"name": "strangers_thing:network"}}
    assert "strangers_thing" in experiment.name(given)
    assert not (tmp_path / "it_ran").exists()


def test_names_of_runs_without_ones_own_stay():
    given = {"pruner": {"method": "snip", "sparsity": 0.98}}
    expected = "digits-lenet_300_100-snip-0.98-seed0-dc45573e"
    assert experiment.name(given) == expected


def test_a_keras_file_is_a_model(tmp_path, mine):
    path = str(tmp_path / "mine.keras")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.save(path)
    found = models.get(path, classes=3, input_shape=(4,), seed=5)
    np.testing.assert_array_equal(
        found.get_weights()[0], model.get_weights()[0]
    )
    with pytest.raises(ValueError, match="no options"):
        models.get(path, depth=3)
    result = experiment.run(
        config(mine, model={"name": path}), tmp_path / "run", verbose=0
    )
    assert result["sparsity"] == 0.5


def arrays(dtype="float32"):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (12, 5, 5, 1)).astype(dtype)
    return x, np.arange(12) % 3


def test_an_npz_file_is_a_data_set(tmp_path):
    x, y = arrays()
    path = str(tmp_path / "mine.npz")
    np.savez(path, x_train=x[:8], y_train=y[:8], x_test=x[8:], y_test=y[8:])
    info = datasets.info(path)
    assert (info.input_shape, info.classes) == ((5, 5, 1), 3)
    assert (info.train_size, info.test_size) == (8, 4)
    (x_train, y_train), (x_test, _) = datasets.load_arrays(path)
    np.testing.assert_array_equal(x_train, x[:8])
    np.testing.assert_array_equal(y_train, y[:8])
    np.testing.assert_array_equal(x_test, x[8:])
    train, validation, test = datasets.load(path, 3, validation=0.25)
    assert len(train) == 2 and len(test) == 2
    assert sum(len(labels) for _, labels in validation) == 2


def test_a_file_is_hashed_once_a_state(tmp_path, monkeypatch):
    path = tmp_path / "data.npz"
    path.write_bytes(b"one")
    hashed = []
    file_digest = hashlib.file_digest

    def counted(file, kind):
        hashed.append(file.name)
        return file_digest(file, kind)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    # Written just now, it may be written again within a tick of the clock.
    first = {own_names.digest(str(path)) for _ in range(2)}
    assert first == {hashlib.sha256(b"one").hexdigest()[:16]}
    assert len(hashed) == 2
    later = time.time_ns() + 10**10
    monkeypatch.setattr(time, "time_ns", lambda: later)
    assert {own_names.digest(str(path)) for _ in range(5)} == first
    assert len(hashed) == 3
    # Other bytes of the same size under the same time of modification.
    before = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (before.st_size, before.st_mtime_ns) == (
        after.st_size,
        after.st_mtime_ns,
    )
    assert (
        own_names.digest(str(path)) == (hashlib.sha256(b"two").hexdigest()[:16])
    )


def test_folders_of_images_are_a_data_set(tmp_path):
    x, y = arrays("uint8")
    for split, rows in (("train", range(9)), ("test", range(9, 12))):
        for row in rows:
            folder = tmp_path / split / f"class{y[row]}"
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{row:02}.png"
            path.write_bytes(tf.io.encode_png(x[row]).numpy())
    (x_train, y_train), (x_test, _) = datasets.load_arrays(str(tmp_path))
    order = np.argsort(y[:9], kind="stable")
    np.testing.assert_array_equal(y_train, y[:9][order])
    expected = x[:9][order] / np.float32(255)
    np.testing.assert_allclose(x_train, expected, rtol=1e-6)
    assert x_test.shape[0] == 3


def test_batches_of_ones_own_data_resume_bit_for_bit(mine):
    name = f"{mine}:data"
    passes, _ = datasets.load(name, 20, start=0)
    later, _ = datasets.load(name, 20, start=4)
    whole = [x.numpy() for x, _ in passes.take(6)]
    for ours, theirs in zip(later.take(2), whole[4:], strict=True):
        np.testing.assert_array_equal(ours[0], theirs)


@pytest.mark.parametrize(
    "section, value, words",
    [
        ("model", "nowhere_at_all:network", "no module"),
        ("model", "MINE:networks", "Did you mean 'network'"),
        ("model", "MINE:number", "to be a function"),
        ("model", "MINE:data", "keras.Model that is built"),
        ("dataset", "MINE:network", "classes"),
        ("dataset", "MINE:loss", "y"),
        ("dataset", "missing.npz", "missing.npz"),
        ("pruner", "MINE:smaller", "smallest"),
        ("pruner", "MINE:loss", "objective, weights, masks"),
    ],
)
def test_what_is_not_there_is_told(section, value, words, mine, tmp_path):
    value = value.replace("MINE", mine)
    key = "method" if section == "pruner" else "name"
    given = config(mine, **{section: {key: value}})
    with pytest.raises((ValueError, TypeError, OSError), match=words):
        experiment.run(given, tmp_path / "run", verbose=0)
    assert not (tmp_path / "run").exists()


def test_a_softmax_does_not_go_with_the_default_loss(mine, tmp_path):
    given = config(mine, model={"name": f"{mine}:softmax"})
    with pytest.raises(ValueError, match=r"reads logits.*'soft'"):
        experiment.run(given, tmp_path / "run", verbose=0)
    assert not (tmp_path / "run").exists()
    given = config(
        mine,
        model={"name": f"{mine}:softmax"},
        training={"loss": f"{mine}:of_probabilities", "epochs": 1},
    )
    assert experiment.build(given, verbose=0).model.built


def test_a_module_that_fails_is_told_in_a_sentence(mine, tmp_path):
    path = tmp_path / f"{mine}_broken.py"
    path.write_text(textwrap.dedent("import keras\n1 / 0\n"))
    with pytest.raises(
        ValueError, match=r"failed as it was imported.*division"
    ):
        models.get(f"{mine}_broken:network")
