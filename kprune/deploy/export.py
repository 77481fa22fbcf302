"""Writes a model as a SavedModel that TensorFlow alone can serve."""

import contextlib
import functools
import pathlib
import shutil
import tempfile

import keras
import numpy as np
import tensorflow as tf

from kprune.masking import made_up, wrapping
from kprune.runtime import keras_internals, paths
from kprune.runtime.doors import checked


@checked(path=paths.directory)
def export(model, path):
    """Writes a SavedModel of the stripped model.

    With `loaded = tf.saved_model.load(path)`, `loaded.serve(x)` gives the
    model's outputs (`loaded` holds the variables: keep it). Where the input
    shapes are known, that is checked before the directory is put in place.

    Args:
        model: A Keras model, wrapped or not. It is left as it was.
        path: Directory to create. It must not exist, or be empty.

    Returns:
        The largest difference found between what is served and the model's
        outputs, or `None` where it was not checked.

    Raises:
        ValueError: If the directory is occupied or cannot be written, or if
            what was written does not give the model's outputs.
    """
    path = pathlib.Path(path)
    check_free(path)
    plain = wrapping.strip(model)
    x, expected = _example(plain)
    with _written_as_a_whole(path) as directory:
        _write(plain, directory)
        return None if expected is None else _difference(directory, x, expected)


def _write(model, directory):
    """Writes what `Model.export` does, but served as in inference."""
    archive = keras.export.ExportArchive()
    archive.track(model)
    serve = functools.partial(keras_internals.infer, model)
    archive.add_endpoint(
        "serve", serve, keras_internals.serving_signature(model)
    )
    archive.write_out(directory, verbose=False)


@contextlib.contextmanager
def _written_as_a_whole(path):
    """Gives a directory to write to, which then becomes `path` or goes."""
    made = [p for p in (path.parent, *path.parent.parents) if not p.exists()]
    made = made[-1:]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        name = tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent)
        made.append(pathlib.Path(name))
        yield name
        if path.exists():
            path.rmdir()
        made.pop().rename(path)
        path.chmod(0o755)
        made.clear()
    except OSError as error:
        raise ValueError(f"Cannot write {path}: {error}") from error
    finally:
        for directory in made:
            shutil.rmtree(directory, ignore_errors=True)


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


def _example(model):
    """Returns made-up inputs and the outputs for them, or `None` twice."""
    try:
        return made_up.taken(model)
    except ValueError as error:
        known = keras_internals.call_arguments(model)
        if keras_internals.is_graph(model) or not known:
            return None, None
        shapes = keras.tree.map_structure(lambda a: tuple(a.shape), known)
        raise ValueError(
            f"Model {model.name!r} cannot be exported: it does not take the "
            "inputs that Keras has recorded of it. Expected one argument (a "
            "tensor, or a list or dict of tensors), or a `build` with an "
            f"argument for each. Received: inputs of shape {shapes}: "
            f"{error.__cause__}"
        ) from error


def _difference(directory, x, expected):
    """Returns how far outputs differ, or raises if it is more than computing
    in another order may explain."""
    loaded = tf.saved_model.load(directory)  # Holds the variables.
    served = tf.nest.flatten(loaded.serve(*keras.tree.map_structure(_dense, x)))
    worst = 0.0
    for one, other in zip(served, tf.nest.flatten(expected), strict=True):
        one, other = np.asarray(one, "float64"), np.asarray(other, "float64")
        scale = np.abs(np.nan_to_num(other)).max(initial=0)
        if not np.allclose(one, other, 0, 1e-3 * scale + 1e-6, equal_nan=True):
            raise ValueError(
                "The SavedModel does not give the model's outputs: they "
                f"differ by {np.abs(one - other).max()}."
            )
        worst = max(worst, np.abs(np.nan_to_num(one - other)).max(initial=0))
    return worst


def _dense(x):
    """Returns what Keras serves in place of sparse inputs."""
    return tf.sparse.to_dense(x) if isinstance(x, tf.SparseTensor) else x
