"""Writes a model as a SavedModel that TensorFlow alone can serve."""

import pathlib
import shutil
import tempfile

import numpy as np
import tensorflow as tf

from kprune import keras_internals, masking


def export(model, path):
    """Writes a SavedModel of the stripped model.

    `tf.saved_model.load(path).serve(x)` gives the model's outputs. Where the
    input shapes are known, that is checked before the directory is put in
    place.

    Args:
        model: A Keras model, wrapped or not. It is left as it was.
        path: Directory to create. It must not exist, or be empty.

    Raises:
        ValueError: If the directory is occupied or cannot be written, or if
            what was written does not give the model's outputs.
    """
    path = pathlib.Path(path)
    check_free(path)
    plain = masking.strip(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        temporary = tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise ValueError(f"Cannot write to {path.parent}: {error}") from error
    try:
        plain.export(temporary, verbose=False)
        _check_serves(temporary, plain)
        if path.exists():
            path.rmdir()
        pathlib.Path(temporary).rename(path)
        path.chmod(0o755)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_free(path):
    """Raises `ValueError` if a directory cannot be created at `path`."""
    path = pathlib.Path(path)
    if path.is_file():
        raise ValueError(f"Expected a directory to create. {path} is a file.")
    if path.is_dir() and any(path.iterdir()):
        raise ValueError(
            f"Directory {path} is occupied. Expected a new or empty one: "
            "remove it, or name another."
        )


def _check_serves(directory, model):
    try:
        specs = keras_internals.input_specs(model)
    except ValueError:
        return  # A subclassed model that never recorded its inputs.
    x = keras_internals.example_inputs(specs)
    loaded = tf.saved_model.load(directory)  # Holds the variables.
    served = tf.nest.flatten(loaded.serve(x))
    expected = tf.nest.flatten(model(x, training=False))
    for one, other in zip(served, expected, strict=True):
        one, other = np.asarray(one, "float64"), np.asarray(other, "float64")
        scale = np.abs(other).max() if other.size else 0.0
        if not np.abs(one - other).max(initial=0) <= 1e-3 * scale + 1e-6:
            raise ValueError(
                "The SavedModel does not give the model's outputs: they "
                f"differ by {np.abs(one - other).max()}."
            )
