"""Turns any data `fit` takes into batches that can be read again.

A second derivative needs the same batches as the first, and an iterative
method the same ones in each round, but a data set that shuffles or augments
gives different ones on each pass. So batches are read once and kept, on disk
if there are many.
"""

import itertools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kprune.runtime import (
    checks,
    disk_list,
    examples,
    fit_arguments,
    seeds,
    types,
)
from kprune.runtime.doors import checked

DEFAULT_BATCH_SIZE = 128
_MOST = 100_000


class Batches:
    """A list of batches, each read on first use and kept.

    Args:
        data: A `tf.data.Dataset`, arrays `(x, y)` or `(x, y, sample_weight)`,
            a `keras.utils.PyDataset`, or any iterable of batches. Sparse ones
            are made dense, batch by batch; ragged ones stay ragged.
        batch_size: Integer >= 1, the size to cut arrays, or to re-batch a
            `tf.data.Dataset`, into. Defaults to 128 for arrays and to the
            data set's own.

    Raises:
        ValueError: If `data` is empty, its arrays differ in length, or a value
            is NaN or infinite.
    """

    def __init__(self, data: types.Data, batch_size: int | None = None):
        self._endless = _is_endless(data)
        self._checks: list[Callable[[tuple[Any, ...]], object]] = []
        self._source = _elements(data, batch_size)
        # Slices are views of a user's arrays and take no memory.
        self._kept: Any = [] if _are_arrays(data) else disk_list.Spool()
        if not self._read_up_to(0):
            raise ValueError("`data` is empty. Expected at least one batch.")

    def at(self, place: int) -> tuple[Any, ...]:
        """Returns a batch by number, wrapping around after the last.

        Returns:
            A tuple (x, y) or (x, y, sample_weight) of arrays or structures of
            arrays.
        """
        if self._read_up_to(place):
            return self._kept[place]
        return self._kept[place % len(self._kept)]

    def count(self, most: int | None = None) -> int:
        """Returns the number of batches, at most `most`, and reads them."""
        if most is None and self._endless:
            raise ValueError(
                "`data` has no end. Say how many `batches` to read."
            )
        self._read_up_to(_MOST if most is None else most - 1)
        return min(len(self._kept), most or _MOST)

    def check(self, function: Callable[[tuple[Any, ...]], object]) -> None:
        """Calls a function with each batch read so far or read later."""
        self._checks.append(function)
        for place in range(len(self._kept)):
            function(self._kept[place])

    def _read_up_to(self, place):
        """Reads up to batch number `place`; returns whether it exists."""
        while len(self._kept) <= place:
            element = next(self._source, None)
            if element is None:
                return False
            batch = _checked(element, len(self._kept))
            for check in self._checks:
                check(batch)
            self._kept.append(batch)
            if len(self._kept) > _MOST:
                raise ValueError(
                    f"`data` gave more than {_MOST} batches and seems to have "
                    "no end. Say how many `batches` to read."
                )
        return True


def size(batch: tuple[Any, ...]) -> int:
    """Returns the number of examples in a batch."""
    return examples.count(keras.tree.flatten(batch[0])[0])


@checked(data=fit_arguments.finite_data, per_class=checks.at_least(1))
def class_balanced(
    data: types.Data, per_class: int, seed: int = 0
) -> tuple[Any, ...]:
    """Draws `per_class` examples of each class without replacement, shuffled.

    Args:
        data: Arrays `(x, y)` or `(x, y, sample_weight)` with class numbers
            `y`, or a data set of them. Several inputs keep their structure.
        per_class: Integer >= 1.
        seed: Integer >= 0. Defaults to 0.

    Returns:
        A tuple (x, y) or (x, y, sample_weight).

    Raises:
        ValueError: If a class has fewer than `per_class` examples, or the
            labels are not class numbers.
    """
    source = Batches(data)
    labels: Any = [
        _class_numbers(source.at(i)[1]) for i in range(source.count())
    ]
    ends = np.cumsum([len(part) for part in labels])
    labels = np.concatenate(labels)
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
    order = np.sort(np.concatenate(chosen))
    owners = np.searchsorted(ends, order, side="right")
    parts = []
    for owner in np.unique(owners):  # One batch in memory at a time.
        batch = source.at(owner)
        rows = order[owners == owner] - (ends[owner] - size(batch))
        parts.append(
            keras.tree.map_structure(lambda a, r=rows: examples.at(a, r), batch)
        )
    shuffled = rng.permutation(len(order))
    return keras.tree.map_structure(
        lambda *arrays: examples.at(examples.joined(*arrays), shuffled), *parts
    )


def _class_numbers(y):
    y = np.asarray(y) if not keras.tree.is_nested(y) else None
    if y is None or y.size != len(y) or not np.equal(np.mod(y, 1), 0).all():
        raise ValueError(
            "Drawing the same number of each class needs class numbers as "
            "labels, one per example. Received: "
            + ("several labels" if y is None else f"labels of shape {y.shape}")
        )
    return y.reshape(len(y))


def _is_endless(data):
    return (
        isinstance(data, tf.data.Dataset)
        and data.cardinality() == tf.data.INFINITE_CARDINALITY
    ) or (isinstance(data, keras.utils.PyDataset) and data.num_batches is None)


def _are_arrays(data):
    arrays = isinstance(data, tuple) or (
        isinstance(data, list) and all(hasattr(a, "shape") for a in data)
    )
    return arrays and len(data) in (2, 3)


def _elements(data, batch_size):
    if isinstance(data, tf.data.Dataset):
        if batch_size is not None:
            data = data.unbatch().batch(batch_size)
        return iter(data)
    if isinstance(data, keras.utils.PyDataset):
        count = data.num_batches
        places = range(count) if count is not None else itertools.count()
        return (data[i] for i in places)
    if isinstance(data, tf.distribute.DistributedDataset):
        raise ValueError(
            "Pass the data set as it was before "
            "`experimental_distribute_dataset`: each replica takes its share "
            "of each batch by itself."
        )
    if _are_arrays(data):
        return _slices(data, batch_size or DEFAULT_BATCH_SIZE)
    if hasattr(data, "__iter__") and not isinstance(data, (np.ndarray, dict)):
        return iter(data)
    raise ValueError(
        "Invalid value for argument `data`. Expected a tf.data.Dataset, "
        "arrays (x, y) or (x, y, sample_weight), a PyDataset or a generator "
        f"of batches. Received: {type(data).__name__}"
    )


def refuse_what_is_read_once(data):
    """Raises `ValueError` for a one-shot iterator, which cannot be read
    twice."""
    if hasattr(data, "__next__"):
        raise ValueError(
            "`data` is read more than once here. Expected arrays, a "
            "tf.data.Dataset or a list of batches. Received: "
            f"{type(data).__name__}"
        )


def arrays_of(data, convert=examples.as_array):
    """Returns arrays, or structures of arrays, and their common length.

    Raises:
        ValueError: If their lengths differ or are 0.
    """
    data = _stated(data)
    parts = tuple(_converted(part, convert) for part in data)
    lengths = [examples.count(a) for a in keras.tree.flatten(parts)]
    if len(set(lengths)) != 1 or lengths[0] == 0:
        raise ValueError(
            "The arrays in `data` must have the same number of examples, at "
            f"least one. Received lengths: {lengths}"
        )
    return parts, lengths[0]


def _slices(data, batch_size):
    arrays, length = arrays_of(data, examples.sliceable)
    for start in range(0, length, batch_size):
        part = slice(start, start + batch_size)
        yield keras.tree.map_structure(lambda a, part=part: a[part], arrays)


def _stated(element):
    """Returns the parts of data or of a batch, without weights of `None`."""
    *parts, last = element
    return parts if len(parts) == 2 and last is None else element


def _converted(part, convert=examples.as_array):
    """Returns an array, or a dict or list of them for several inputs."""
    if isinstance(part, dict):
        return {name: _converted(one, convert) for name, one in part.items()}
    several = isinstance(part, (list, tuple)) and all(
        hasattr(value, "shape") for value in part
    )
    return list(map(convert, part)) if several else convert(part)


def _checked(element, place):
    listed = tuple | list
    if not isinstance(element, listed) or len(element) not in (2, 3):
        raise ValueError(
            "Expected each batch of `data` to be (x, y) or (x, y, "
            f"sample_weight). Received: {type(element).__name__}"
            + (f" of {len(element)}" if isinstance(element, listed) else "")
        )
    x, y, *rest = map(_converted, _stated(element))
    for array in keras.tree.flatten((y, *rest)):
        _check_numbers(array, place)
    flat = keras.tree.flatten((x, y, *rest))
    for array in itertools.chain(*map(examples.components, flat)):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(
                f"Batch {place} of `data` holds NaN or infinite values. "
                "Expected finite inputs, labels and sample weights."
            )
    return x, y, *rest


def _check_numbers(array, place):
    for part in examples.components(array):
        if part.dtype.kind not in "biuf" and "float" not in part.dtype.name:
            raise ValueError(
                f"Batch {place} of `data` has labels or weights of dtype "
                f"{part.dtype}. Expected numbers: number the classes."
            )
