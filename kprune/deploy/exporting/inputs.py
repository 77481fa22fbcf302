"""Flattens a model's inputs for runtimes other than Keras."""

import re

import keras
import numpy as np
import tensorflow as tf

from kprune.runtime import checks, examples, keras_internals
from kprune.scoring.batches import Batches

MOST = 512  # Representative examples read for calibration.
_EXPECTED = (
    "inputs, an array or a list or dict of arrays of one length; a tuple "
    "(x, y); or a data set of batches of either"
)


def function(model, batch=None):
    """Returns a model as a `tf.function` of flat inputs and outputs.

    Both are in the order of `keras.tree.flatten`.

    Args:
        model: A built Keras model.
        batch: Integer, the batch size to fix. Defaults to `None`, for any.

    Raises:
        ValueError: If the model's inputs are unknown, or some are strings.
    """
    arguments = keras_internals.serving_signature(model)
    flat = keras.tree.flatten(arguments)
    names = _unique([spec.name for spec in flat])
    specs = [
        tf.TensorSpec((batch, *spec.shape[1:]), spec.dtype, name)
        for spec, name in zip(flat, names, strict=True)
    ]
    words = [spec.name for spec in specs if spec.dtype == tf.string]
    if words:
        raise ValueError(
            f"Model {model.name!r} takes strings ({', '.join(words)}), which "
            "only a SavedModel or a .keras file can. Export the layers behind "
            "the text's preprocessing."
        )

    def serve(*inputs):
        x = keras.tree.pack_sequence_as(arguments, list(inputs))
        return keras.tree.flatten(keras_internals.infer(model, *x))

    return tf.function(serve, input_signature=specs, autograph=False)


def fixed_batch(model):
    """Returns the batch size a model is built for, or `None` for any."""
    if not keras_internals.is_graph(model):
        return None
    return model.inputs[0].shape[0]


def _unique(names):
    """Returns names made valid for a TensorFlow graph, and unique."""
    found = []
    for place, name in enumerate(names):
        plain = re.sub(r"\W", "_", name or "") or f"input_{place}"
        while plain in found:
            plain = f"{plain}_{place}"
        found.append(plain)
    return found


def flat(x):
    """Returns a structure of inputs as a flat list of dense NumPy arrays."""
    return [
        np.asarray(tf.sparse.to_dense(one) if _is_sparse(one) else one)
        for one in keras.tree.flatten(x)
    ]


def _is_sparse(x):
    return isinstance(x, tf.SparseTensor)


def representative_data(name, value):
    """Returns `value` if `representative` can read it, else raises
    `ValueError`."""
    if value is None or isinstance(
        value, tf.data.Dataset | keras.utils.PyDataset
    ):
        return value
    leaves = keras.tree.flatten(value)
    for leaf in leaves:
        checks.array(name, leaf, expected=_EXPECTED)
    lengths = {examples.count(np.asarray(leaf)) for leaf in leaves}
    fits = leaves and len(lengths) == 1 and 0 not in lengths
    return checks.require(fits, name, value, _EXPECTED)


def representative(data, most):
    """Returns batches of representative inputs, each a flat list of arrays.

    Args:
        data: Inputs (an array, or a list or dict of arrays), or what `fit`
            takes: a tuple `(x, y)`, a `tf.data.Dataset` or a `PyDataset`
            whose batches are inputs, with or without labels.
        most: Integer >= 1, the maximum number of examples.

    Raises:
        ValueError: If the data is empty.
    """
    if isinstance(data, list | dict | np.ndarray | tf.Tensor):
        length = len(keras.tree.flatten(data)[0])
        data = (data, np.zeros(length))  # Labels are not used.
    elif _lacks_labels(data):
        data = data.map(lambda x: (x, 0))
    batches = Batches(data)
    found, count, place = [], 0, 0
    while count < most and batches.count(place + 1) > place:
        x = flat(batches.at(place)[0])
        whole = all(one.ndim for one in x)
        checks.require(whole, "representative_data", data, _EXPECTED)
        found.append([one[: most - count] for one in x])
        count += len(x[0])
        place += 1
    return tuple(found)


def _lacks_labels(data):
    kind = isinstance(data, tf.data.Dataset)
    return kind and not isinstance(data.element_spec, tuple)
