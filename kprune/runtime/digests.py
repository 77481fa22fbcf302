"""Digests of arrays, which tell whether data are the same."""

import hashlib

import keras
import numpy as np
import tensorflow as tf

from kprune.runtime import examples


def of_arrays(named):
    """Returns the SHA-256 of arrays: names, dtypes, shapes and values.

    Args:
        named: Dict of arrays, whose order does not matter, or iterable of
            pairs of a name and an array, whose order does.
    """
    if isinstance(named, dict):
        named = sorted(named.items())
    found = hashlib.sha256()
    for name, array in named:
        array = np.asarray(array)
        found.update(f"{name} {array.dtype} {array.shape}\n".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def of_data(data):
    """Returns a string that identifies training data.

    That of arrays is their digest. Of a data set, or a function from a step to
    one, only the shapes, types and number of batches are known without reading
    it, so that equal strings do not prove the same data.
    """
    if isinstance(data, tf.data.Dataset):
        return f"{data.element_spec}, {int(data.cardinality())} batches"
    if callable(data):
        return str(data(0).element_spec)
    parts = [examples.components(leaf) for leaf in keras.tree.flatten(data)]
    return of_arrays(enumerate(part for leaf in parts for part in leaf))
