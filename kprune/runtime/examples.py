"""Arrays of examples, dense or ragged."""

import numpy as np
import scipy.sparse
import tensorflow as tf


def is_ragged(array):
    """Whether an array is a `tf.RaggedTensor`, with rows of several lengths."""
    return isinstance(array, tf.RaggedTensor)


def as_array(value):
    """Returns a NumPy array; ragged ones stay, sparse ones are made dense."""
    value = sliceable(value)
    if scipy.sparse.issparse(value):
        return value.toarray()
    return value


def sliceable(value):
    """Returns an array that can be cut by examples: a NumPy array, a ragged
    one, or a matrix of SciPy's that is stored by rows."""
    if is_ragged(value):
        return value
    if isinstance(value, tf.SparseTensor):
        if len(value.shape) != 2:
            return np.asarray(tf.sparse.to_dense(tf.sparse.reorder(value)))
        places = tuple(np.transpose(value.indices))
        value = scipy.sparse.coo_matrix((value.values, places), value.shape)
    return value.tocsr() if scipy.sparse.issparse(value) else np.asarray(value)


def count(array):
    """Returns how many examples there are, a number or in a graph a tensor."""
    if is_ragged(array):
        rows = tf.cast(array.nrows(), tf.int32)
        return int(rows) if tf.executing_eagerly() else rows
    if tf.is_tensor(array) and not tf.executing_eagerly():
        return tf.shape(array)[0]
    # The shape of a tensor is true, even if it is empty.
    return array.shape[0] if len(array.shape) else 0


def shape(array):
    """Returns the shape, a tuple with `None` for rows of several lengths."""
    return tuple(array.shape)


def components(array):
    """Returns the NumPy arrays that hold an array's numbers."""
    parts = tf.nest.flatten(array, expand_composites=True)
    return [np.asarray(part) for part in parts]


def spec(array):
    """Returns the signature of arrays alike with any number of examples."""
    whole = [None, *shape(array)[1:]]
    if is_ragged(array):
        splits = array.row_splits.dtype
        kind = array.dtype, array.ragged_rank, splits
        return tf.RaggedTensorSpec([None] * len(whole), *kind)
    return tf.TensorSpec(whole, array.dtype)


def joined(*arrays):
    """Returns the examples of all arrays, one after the other."""
    if is_ragged(arrays[0]):
        return tf.concat(arrays, axis=0)
    return np.concatenate(arrays)


def differ(array):
    """Whether any example differs from the first one."""
    if is_ragged(array):
        rows = array.to_list()
        return any(row != rows[0] for row in rows)
    array = np.asarray(array)
    return bool((array != array[:1]).any())


def at(array, places):
    """Returns the examples at some places."""
    return tf.gather(array, places) if is_ragged(array) else array[places]
