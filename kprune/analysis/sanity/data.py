"""Makes data that carries less information than the real data."""

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kprune.runtime import fit_arguments, lookup, seeds
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


@checked(data=fit_arguments.data)
def corrupt(
    data: tuple[Any, ...] | tf.data.Dataset | Iterable[Any],
    how: str,
    seed: int = 0,
) -> tuple[Any, ...] | tf.data.Dataset | Iterator[Any]:
    """Corrupts data, to test whether a method needs its information.

    Su et al. (2020) found masks from corrupted data as good as masks from the
    real data.

    Args:
        data: Arrays `(x, y)` or `(x, y, sample_weight)`, a `tf.data.Dataset`
            of batches, or another iterable of batches. It is not modified.
        how: `"labels"` permutes the labels among the examples. `"pixels"`
            permutes the pixels of each image independently, keeping the
            channels of a pixel together; without a channel axis it permutes
            all features. `"half"` drops a random half of the examples, the
            larger half if their number is odd. Data in batches is corrupted
            batch by batch.
        seed: Integer >= 0.

    Returns:
        Data of the same form: arrays, a `tf.data.Dataset`, or a generator. The
        data set repeats its batches each time it is read if `data` does.

    Raises:
        ValueError: If an argument is invalid; or, when a data set or generator
            is read, if labels are to be permuted in a batch of one example.

    Example:

    >>> noise = kprune.sanity.corrupt(train.take(1), "labels", seed=1)
    >>> pruned = kprune.prune(model, "snip", 0.9, data=noise)
    """
    spoil = lookup.choose(how, _WAYS, "way to corrupt data (`how`)")

    def batches(data):
        for number, batch in enumerate(data):
            rng = seeds.stream(seed, "corrupt", how, number)
            yield _spoiled(batch, spoil, rng)

    if _is_one(data):
        return next(batches([data]))
    if isinstance(data, tf.data.Dataset):
        signature = keras.tree.map_structure(_any_size, data.element_spec)
        spoiled = tf.data.Dataset.from_generator(
            lambda: batches(data.as_numpy_iterator()),
            output_signature=signature,
        )
        count = data.cardinality()
        if count == tf.data.UNKNOWN_CARDINALITY:
            return spoiled
        return spoiled.apply(tf.data.experimental.assert_cardinality(count))
    if hasattr(data, "__iter__") and not isinstance(data, (np.ndarray, dict)):
        return batches(data)
    raise ValueError(
        "Expected `data` to be arrays (x, y) or (x, y, sample_weight), a "
        "tf.data.Dataset or an iterable of batches. Received: "
        f"{type(data).__name__}"
    )


def _is_one(data):
    """Returns whether data is one tuple of arrays, not batches of them."""
    listed = isinstance(data, list) and data
    return isinstance(data, tuple) or (
        listed and all(hasattr(part, "shape") for part in data)
    )


def _labels(x, y, rest, rng):
    count = _size(y)
    if count < 2:
        raise ValueError(
            "Labels are permuted within a batch. Expected batches of two "
            "examples or more. Received: a batch of one."
        )
    order = rng.permutation(count)
    return x, keras.tree.map_structure(lambda a: a[order], y), rest


def _pixels(x, y, rest, rng):
    return keras.tree.map_structure(lambda a: _moved(a, rng), x), y, rest


def _half(x, y, rest, rng):
    count = _size(y)
    kept = np.sort(rng.choice(count, max(1, count // 2), replace=False))
    return keras.tree.map_structure(lambda a: a[kept], (x, y, rest))


_WAYS = {"labels": _labels, "pixels": _pixels, "half": _half}


def _moved(array, rng):
    """Returns examples with their pixels permuted, each independently."""
    if array.ndim < 2:
        raise ValueError(
            "Expected inputs of two dimensions or more, examples first. "
            f"Received: shape {array.shape}"
        )
    channels = array.shape[-1] if array.ndim > 2 else 1
    places = array.reshape(len(array), -1, channels)
    order = rng.random(places.shape[:2]).argsort(axis=1)
    return np.take_along_axis(places, order[..., None], 1).reshape(array.shape)


def _spoiled(batch, spoil, rng):
    if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
        raise ValueError(
            "Expected each batch of `data` to be (x, y) or (x, y, "
            f"sample_weight). Received: {type(batch).__name__}"
        )
    x, y, *rest = keras.tree.map_structure(np.asarray, tuple(batch))
    if not all(array.ndim for array in keras.tree.flatten((x, y, rest))):
        raise ValueError(
            "Expected batches. Received: single examples. Batch them first."
        )
    x, y, rest = spoil(x, y, rest, rng)
    return (x, y, *rest)


def _size(y):
    return len(keras.tree.flatten(y)[0])


def _any_size(spec):
    return tf.TensorSpec([None, *spec.shape[1:]], spec.dtype)


METHOD = Method(
    "corrupt",
    title="check: corrupted data",
    call='kprune.sanity.corrupt(data, "labels")',
    paper="Su et al., 2020",
    link="https://arxiv.org/abs/2009.11094",
    test="tests/analysis/test_corrupted_data.py::"
    "test_labels_are_permuted_and_images_stay",
)
