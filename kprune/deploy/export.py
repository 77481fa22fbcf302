"""Writes a model as a SavedModel that TensorFlow alone can serve."""

import functools
import pathlib

import keras
import numpy as np
import tensorflow as tf

from kprune.masking import made_up, wrapping
from kprune.runtime import files, keras_internals, paths
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
        ValueError: If the directory is occupied or cannot be made, or if what
            was written does not give the model's outputs.
        OSError: If it cannot be written. Nothing is left of it then.
    """
    path = pathlib.Path(path)
    check_free(path)
    plain = wrapping.strip(model)
    x, expected = _example(plain)
    files.check_writable(path.parent)
    made = files.make_directory(path.parent)
    try:
        return write(plain, path, x, expected)
    except BaseException:
        for directory in made:
            files.remove_if_empty(directory)
        raise


def replace(model, path):
    """Writes a stripped model as `export` does, in place of what is there."""
    return write(model, path, *_example(model))


def write(model, path, x, expected):
    """Writes a stripped model, and returns as `export` does; outputs for `x`
    are compared with those `expected`, unless that is `None`."""
    archive = _archive(model)
    with files.replaced_directory(path) as directory:
        try:
            archive.write_out(str(directory), verbose=False)
        except tf.errors.OpError as error:  # What C++ says of a full disk.
            raise OSError(_reason(error)) from error
        return None if expected is None else _difference(directory, x, expected)


def _reason(error):
    """Returns the last words of an error of TensorFlow, which are why; those
    before say on which device, and in which temporary file."""
    line = error.message.splitlines()[0].partition(" [Op:")[0]
    return line.rpartition("; ")[2]


def _archive(model):
    """Returns what `Model.export` writes, but served as in inference."""
    archive = keras.export.ExportArchive()
    archive.track(model)
    serve = functools.partial(keras_internals.infer, model)
    archive.add_endpoint(
        "serve", serve, keras_internals.serving_signature(model)
    )
    return archive


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
    loaded = tf.saved_model.load(str(directory))  # Holds the variables.
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
