"""Writes a SavedModel that TensorFlow serves without kprune."""

import functools

import keras
import tensorflow as tf

from kprune.deploy.exporting import proof, quantized, rows
from kprune.deploy.exporting.formats import Options
from kprune.deploy.exporting.result import Written
from kprune.runtime import files, keras_internals


def write(model, path, options):
    """Writes a stripped model as a SavedModel.

    With `loaded = tf.saved_model.load(path)`, `loaded.serve(x)` returns the
    model's outputs; keep a reference to `loaded`, which owns the variables.
    The signature is `serving_default`.
    """
    notes = quantized.by_keras(model, options.quantize)
    archive = _archive(model)
    try:
        archive.write_out(str(path), verbose=False)
    except tf.errors.OpError as error:  # TensorFlow's error for a full disk.
        raise OSError(_reason(error)) from error
    return Written(rows.dense(model, "TensorFlow"), notes)


def replace(model, path):
    """Replaces the directory at a path by a stripped model's SavedModel, which
    is verified first as by `kprune.export`."""
    try:
        x, expected = proof.example(model)
    except ValueError as error:
        x, expected = unknown(model, error)
    with files.replaced_directory(path) as half:
        write(model, half, Options())
        if x is not None:
            proof.check(half, "saved_model", x, expected, 1e-4)


def unknown(model, error):
    """Returns `(None, None)` if a model can be served without known inputs,
    else raises `ValueError` from `error`."""
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


def _archive(model):
    """Returns an archive as of `Model.export`, but served in inference mode,
    and with each variable stored once."""
    archive = keras.export.ExportArchive()
    # The archive stores the variables of a tracked layer, and again those its
    # endpoints use. Tracking a `tf.Module` that holds the layer adds only its
    # lookup tables.
    holder = tf.Module()
    holder.model = model
    archive.track(holder)
    serve = functools.partial(keras_internals.infer, model)
    archive.add_endpoint(
        "serve", serve, keras_internals.serving_signature(model)
    )
    return archive


def _reason(error):
    """Returns the reason at the end of a TensorFlow error, without the device
    and temporary file before it."""
    line = error.message.splitlines()[0].partition(" [Op:")[0]
    return line.rpartition("; ")[2]
