"""Compares what runs left, file by file: all but the time that they took."""

import json
import pathlib
import warnings
import zipfile

import keras
import numpy as np
import tensorflow as tf

_OF_TIME = ("seconds", "sha256")  # A record's digest covers the time.
_LOG = "sweep.log"  # It tells when a cell was started, and how often.


def differences(one, other):
    """Returns in which files two directories differ, a list of sentences."""
    one, other = contents(one), contents(other)
    found = [
        f"{name} is in one alone" for name in sorted(set(one) ^ set(other))
    ]
    for name in sorted(set(one) & set(other)):
        pairs = zip(
            keras.tree.flatten(one[name]),
            keras.tree.flatten(other[name]),
            strict=False,
        )
        sizes = [len(keras.tree.flatten(part[name])) for part in (one, other)]
        if sizes[0] != sizes[1] or not all(_same(a, b) for a, b in pairs):
            found.append(f"{name} differs")
    return found


def contents(directory):
    """Returns what each file holds, by its name; a SavedModel is one."""
    directory = pathlib.Path(directory)
    served = [p.parent for p in directory.rglob("saved_model.pb")]
    found = {}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        try:
            if path in served:
                found[name] = _served(path)
            elif path.is_file() and not set(served) & set(path.parents):
                found[name] = _content(path)
        except Exception as error:  # Of TensorFlow, Keras, zipfile, NumPy ...
            found[name] = f"unreadable: {type(error).__name__}"
        if path.is_dir() and not any(path.iterdir()):
            found[name] = "an empty directory"
    return found


def _content(path):
    if path.suffix == ".npz":
        with np.load(path) as file:
            return dict(file)
    if path.suffix == ".keras":
        return _model(path)
    if path.suffix == ".jsonl":
        return [_timeless(json.loads(x)) for x in path.read_text().splitlines()]
    if path.suffix == ".json" or path.name == "DONE":
        return _timeless(json.loads(path.read_text()))
    return path.name if path.name == _LOG else path.read_bytes()


def _timeless(value):
    """Returns JSON without the times, and without the digests of files that
    hold them."""
    if isinstance(value, dict):
        return {
            key: sorted(below) if key == "files" else _timeless(below)
            for key, below in value.items()
            if key not in _OF_TIME
        }
    if isinstance(value, list):
        return [_timeless(below) for below in value]
    return value


def _model(path):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Skipping variable loading")
        model = keras.saving.load_model(path)
    optimizer = getattr(model, "optimizer", None)
    variables = [*model.variables, *(optimizer.variables if optimizer else [])]
    with zipfile.ZipFile(path) as file:
        config = json.loads(file.read("config.json"))
    return {
        "variables": [v.numpy() for v in variables],
        "classes": [
            layer["class_name"] for layer in config["config"]["layers"]
        ],
    }


def _served(path):
    loaded = tf.saved_model.load(str(path))
    (x,) = keras.tree.flatten(
        loaded.signatures["serving_default"].structured_input_signature[1]
    )
    shape = [4 if size is None else size for size in x.shape]
    inputs = np.random.default_rng(0).normal(size=shape).astype("float32")
    return {
        "variables": [v.numpy() for v in loaded.variables],
        "outputs": loaded.serve(inputs).numpy(),
    }


def _same(one, other):
    return np.array_equal(one, other) or (one is None and other is None)
