"""Data in any form that `fit` takes becomes a list of batches in memory.

A second derivative needs the very batches of the first, and an iterative
method the same ones in each round: a data set that shuffles or augments would
give others each time it is read. So batches are read once and kept.
"""

import itertools

import keras
import numpy as np
import tensorflow as tf

from kprune import keras_internals, losses, notices, seeds

DEFAULT_BATCH_SIZE = 128
_MOST = 100_000


def read(data, batches=None, batch_size=None):
    """Reads batches of (x, y, sample_weight).

    Args:
        data: A `tf.data.Dataset`, arrays `(x, y)` or `(x, y, sample_weight)`,
            a `keras.utils.PyDataset`, or any iterable of batches.
        batches: How many batches to read. Defaults to all.
        batch_size: Size to cut arrays, or to re-batch a data set, into.
            Defaults to 128 for arrays and to the data set's own.

    Returns:
        List of tuples (x, y) or (x, y, sample_weight) of arrays or structures
        of them.

    Raises:
        ValueError: If there is nothing to read or no end to it, the parts do
            not fit together, or a value is NaN or infinite.
    """
    for name, value in (("batches", batches), ("batch_size", batch_size)):
        if value is not None and (int(value) != value or value < 1):
            raise ValueError(
                f"Invalid value for argument `{name}`. Expected an integer "
                f">= 1. Received: {name}={value!r}"
            )
    endless = (
        isinstance(data, tf.data.Dataset)
        and data.cardinality() == tf.data.INFINITE_CARDINALITY
    ) or (isinstance(data, keras.utils.PyDataset) and data.num_batches is None)
    if endless and batches is None:
        raise ValueError(
            "`data` has no end. Pass `batches=` to say how many to read."
        )
    found = []
    for element in itertools.islice(_elements(data, batch_size), batches):
        found.append(_checked(element, len(found)))
        if len(found) > _MOST:
            raise ValueError(
                f"`data` gave more than {_MOST} batches and seems to have no "
                "end. Pass `batches=` to say how many to read."
            )
    if not found:
        raise ValueError("`data` is empty. Expected at least one batch.")
    return found


def size(batch):
    """Returns the number of examples of a batch."""
    return len(keras.tree.flatten(batch[0])[0])


def class_balanced(data, per_class, seed=0):
    """Draws the same number of examples of each class.

    Args:
        data: Arrays `(x, y)` with class numbers `y`, or a data set of them.
        per_class: How many examples to draw per class, without replacement.
        seed: Integer >= 0.

    Returns:
        Arrays `(x, y)`, shuffled.

    Raises:
        ValueError: If a class has fewer examples than asked for.
    """
    read_batches = read(data)
    x = np.concatenate([b[0] for b in read_batches])
    y = np.concatenate([np.asarray(b[1]) for b in read_batches])
    labels = y.reshape(len(y))
    rng = seeds.stream(seed, "class_balanced")
    chosen = []
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        if len(places) < per_class:
            raise ValueError(
                f"Class {label} has {len(places)} examples. Expected at least "
                f"`per_class`={per_class}."
            )
        chosen.append(rng.choice(places, per_class, replace=False))
    order = rng.permutation(np.concatenate(chosen))
    return x[order], y[order]


def _elements(data, batch_size):
    if isinstance(data, tf.data.Dataset):
        if batch_size is not None:
            data = data.unbatch().batch(batch_size)
        return iter(data)
    if isinstance(data, keras.utils.PyDataset):
        count = data.num_batches
        places = range(count) if count is not None else itertools.count()
        return (data[i] for i in places)
    arrays = isinstance(data, tuple) or (
        isinstance(data, list) and all(hasattr(a, "shape") for a in data)
    )
    if arrays and len(data) in (2, 3):
        return _slices(data, batch_size or DEFAULT_BATCH_SIZE)
    if hasattr(data, "__iter__") and not isinstance(data, (np.ndarray, dict)):
        return iter(data)
    raise ValueError(
        "Invalid value for argument `data`. Expected a tf.data.Dataset, "
        "arrays (x, y) or (x, y, sample_weight), a PyDataset or a generator "
        f"of batches. Received: {type(data).__name__}"
    )


def _slices(data, batch_size):
    arrays = tuple(_as_arrays(part) for part in data)
    lengths = [len(a) if a.ndim else 0 for a in keras.tree.flatten(arrays)]
    if len(set(lengths)) > 1 or lengths[0] == 0:
        raise ValueError(
            "The arrays in `data` must have the same number of examples, at "
            f"least one. Received lengths: {lengths}"
        )
    for start in range(0, lengths[0], batch_size):
        part = slice(start, start + batch_size)
        yield keras.tree.map_structure(lambda a, part=part: a[part], arrays)


def _as_arrays(part):
    """Returns an array, or a dict or list of them for several inputs."""
    if isinstance(part, dict):
        return {name: _as_arrays(value) for name, value in part.items()}
    several = isinstance(part, (list, tuple)) and all(
        hasattr(value, "shape") for value in part
    )
    return [np.asarray(v) for v in part] if several else np.asarray(part)


def _checked(element, place):
    if not isinstance(element, (tuple, list)) or len(element) not in (2, 3):
        raise ValueError(
            "Expected each batch of `data` to be (x, y) or (x, y, "
            f"sample_weight). Received: {type(element).__name__}"
            + (f" of {len(element)}" if hasattr(element, "__len__") else "")
        )
    x, y, *rest = (_as_arrays(part) for part in element)
    for array in keras.tree.flatten((x, y, *rest)):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(
                f"Batch {place} of `data` holds NaN or infinite values. "
                "Expected finite inputs, labels and sample weights."
            )
    return x, y, *rest


def synthetic(model, loss, batch_size=None, seed=0):
    """Makes one batch of Gaussian inputs and uniformly drawn labels.

    Masks from corrupted data were found as good as from the real (Su et al.,
    2020, https://arxiv.org/abs/2009.11094), which makes this a usable start.

    Args:
        model: A built Keras model with fixed input shapes.
        loss: The loss to make labels for, or `None` for an inferred one.
        batch_size: Number of examples. Defaults to 128.
        seed: Integer >= 0.

    Returns:
        One batch (x, y).
    """
    notices.warn(
        "No data was given, so scores are taken on one synthetic batch "
        "(Gaussian inputs, labels drawn uniformly). Pass `data=` (a tf.data."
        "Dataset or arrays (x, y)) to score on your own.",
    )
    rng = seeds.stream(seed, "synthetic")
    count = batch_size or DEFAULT_BATCH_SIZE
    limit = keras_internals.smallest_vocabulary(model)

    def draw(spec):
        shape, dtype = (
            spec.shape[1:],
            keras.backend.standardize_dtype(spec.dtype),
        )
        if None in shape:
            raise ValueError(
                f"Model {model.name!r} takes inputs of open shape {shape}, so "
                "no synthetic batch can be made. Pass `data=`."
            )
        if "int" in dtype:
            return rng.integers(0, limit, (count, *shape)).astype(dtype)
        return rng.normal(size=(count, *shape)).astype(dtype)

    x = keras.tree.map_structure(draw, keras_internals.input_specs(model))
    loss = losses.compiled_loss(model) if loss is None else loss

    def labels(one, z):
        z = np.asarray(z, "float32")
        one = losses.infer(model, z) if one is None else keras.losses.get(one)
        classes = z.shape[-1]
        if losses.wants_integers(one):
            return rng.integers(0, classes, z.shape[:-1]).astype("int32")
        if keras_internals.reads_logits(one) is None:
            return rng.normal(size=z.shape).astype("float32")
        if classes == 1:
            return rng.integers(0, 2, z.shape).astype("float32")
        chosen = rng.integers(0, classes, z.shape[:-1])
        return np.eye(classes, dtype="float32")[chosen]

    with keras.StatelessScope():  # A stateful layer stays as it is.
        outputs = model(keras.tree.map_structure(lambda a: a[:2], x))
    outputs = keras.tree.map_structure(
        lambda z: np.zeros((count, *z.shape[1:]), "float32") + z[:1], outputs
    )
    if keras.tree.is_nested(loss) and len(loss) == len(
        keras.tree.flatten(outputs)
    ):
        each = loss.values() if isinstance(loss, dict) else loss
        flat = keras.tree.flatten(outputs)
        y = [labels(one, z) for one, z in zip(each, flat, strict=True)]
        return x, keras.tree.pack_sequence_as(outputs, y)
    y = keras.tree.map_structure(lambda z: labels(loss, z), outputs)
    return x, y
