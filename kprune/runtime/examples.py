"""Arrays of examples, dense or ragged."""

import numpy as np
import scipy.sparse
import tensorflow as tf


def is_ragged(array):
    """Returns whether an array is a `tf.RaggedTensor`."""
    return isinstance(array, tf.RaggedTensor)


def as_array(value):
    """Returns a NumPy array, dense for a sparse one; ragged ones are returned
    unchanged."""
    value = sliceable(value)
    if scipy.sparse.issparse(value):
        return value.toarray()
    return value


def sliceable(value):
    """Returns an array that can be sliced by examples: a NumPy array, a ragged
    tensor, or a SciPy matrix in CSR format."""
    if is_ragged(value):
        return value
    if isinstance(value, tf.SparseTensor):
        if len(value.shape) != 2:
            return np.asarray(tf.sparse.to_dense(tf.sparse.reorder(value)))
        places = tuple(np.transpose(value.indices))
        value = scipy.sparse.coo_matrix((value.values, places), value.shape)
    return value.tocsr() if scipy.sparse.issparse(value) else np.asarray(value)


def count(array):
    """Returns the number of examples: an integer, or a tensor in a graph."""
    if is_ragged(array):
        rows = tf.cast(array.nrows(), tf.int32)
        return int(rows) if tf.executing_eagerly() else rows
    if tf.is_tensor(array) and not tf.executing_eagerly():
        return tf.shape(array)[0]
    # By `len`, since an empty `tf.TensorShape` is truthy.
    return array.shape[0] if len(array.shape) else 0


def shape(array):
    """Returns the shape as a tuple, with `None` for ragged dimensions."""
    return tuple(array.shape)


def components(array):
    """Returns a list of the NumPy arrays that an array consists of."""
    parts = tf.nest.flatten(array, expand_composites=True)
    return [np.asarray(part) for part in parts]


def spec(array):
    """Returns the `tf.TypeSpec` of such arrays with any number of examples."""
    whole = [None, *shape(array)[1:]]
    if is_ragged(array):
        splits = array.row_splits.dtype
        kind = array.dtype, array.ragged_rank, splits
        return tf.RaggedTensorSpec([None] * len(whole), *kind)
    return tf.TensorSpec(whole, array.dtype)


def joined(*arrays):
    """Returns the examples of all arrays, concatenated."""
    if is_ragged(arrays[0]):
        return tf.concat(arrays, axis=0)
    return np.concatenate(arrays)


def differ(array):
    """Returns whether any example differs from the first one."""
    if is_ragged(array):
        rows = array.to_list()
        return any(row != rows[0] for row in rows)
    array = np.asarray(array)
    return bool((array != array[:1]).any())


def at(array, places):
    """Returns the examples at the indices `places`."""
    return tf.gather(array, places) if is_ragged(array) else array[places]
