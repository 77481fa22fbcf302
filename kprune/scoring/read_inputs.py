"""The input matrix X of a weight, whose layer computes X W.

The columns of X match the rows of W, as the granularities' `as_matrix` lays it
out. X is a list of column blocks, so that sums of squares need not concatenate
the window of a convolution.
"""

import functools
import itertools

import keras
import tensorflow as tf

from kprune.masking import weights
from kprune.scoring.derivatives import at_least_float32

_CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
)


def unknown(model):
    """Returns the prunable weights whose inputs are unknown, a dict from name
    to the class name of the layer.

    Args:
        model: A Keras model, or a `weights.View` of it.
    """
    return {
        name: type(weight.layer).__name__
        for name, weight in weights.prunable(model).items()
        if reader(weight.layer, weight.variable.name) is None
    }


def reader(layer, name):
    """Returns a function that computes the second moment of a weight's inputs.

    Args:
        layer: The layer that owns the weight.
        name: The name of its variable.

    Returns:
        A function of (x, valid, gram) that returns the second moment of one
        call, or `None` for a weight whose inputs are unknown.
    """
    if name == "embeddings" and isinstance(layer, keras.layers.Embedding):
        return lambda x, valid, gram: _counts(layer, x, valid)
    found = pieces(layer, name)
    if found is None:
        return None
    return lambda x, valid, gram: _moment(found(x, valid), gram)


def pieces(layer, name):
    """Returns a function of a layer's input that returns X in column blocks.

    Args:
        layer, name: As for `reader`.

    Returns:
        A function of (x, valid) that returns a list of matrices, zero at
        padding, or `None` for a weight whose inputs are unknown.
    """
    found = None
    if name == "kernel" and _computes_as(layer, keras.layers.Dense):
        found = _last_axis
    elif name == "kernel" and _computes_as(layer, keras.layers.EinsumDense):
        found = _contracted(layer)
    elif name == "kernel" and _is_convolution(layer):
        found = functools.partial(_patches, layer)
    if found is None:
        return None
    return lambda x, valid: found(_without(x, valid))


def _computes_as(layer, kind):
    """Returns whether a layer is of a Keras class and inherits its `call`."""
    return isinstance(layer, kind) and type(layer).call is kind.call


def _is_convolution(layer):
    kinds = [kind for kind in _CONVOLUTIONS if _computes_as(layer, kind)]
    return bool(kinds) and layer.groups == 1


def _moment(pieces, gram):
    """Returns X'X, or its diagonal, from the column blocks of X."""
    if gram:
        x = tf.concat(pieces, axis=1)
        return tf.matmul(x, x, transpose_a=True)
    return tf.concat([tf.reduce_sum(tf.square(p), axis=0) for p in pieces], 0)


def _without(x, valid):
    """Returns an input, float32 or wider, with zeros at the padding."""
    x = at_least_float32(tf.convert_to_tensor(x))
    if valid is None:
        return x
    ones = [1] * (len(x.shape) - len(valid.shape))
    valid = tf.reshape(valid, tf.concat([tf.shape(valid), ones], 0))
    return tf.where(valid, x, tf.zeros([], x.dtype))


def _last_axis(x):
    return [tf.reshape(x, [-1, x.shape[-1]])]


def _contracted(layer):
    """Returns a function from the input of an EinsumDense to X.

    Its columns are the axes that the kernel is summed over, in the kernel's
    order. `None` if different outputs read different inputs.
    """
    left, right = layer.equation.replace(" ", "").split(",")
    kernel, output = right.split("->")
    rows = [c for c in kernel if c not in output and c != "."]
    plain = left.replace("...", "")
    own = [c for c in kernel if c in plain and c in output]
    lost = [c for c in plain if c not in kernel and c not in output]
    if own or lost or not set(rows) <= set(plain):
        return None
    before = left.partition("...")[0] if "..." in left else plain

    def pieces(x):
        rank, rest = len(x.shape), len(plain)
        places = {
            c: i if i < len(before) else i + rank - rest
            for i, c in enumerate(plain)
        }
        inner = [places[c] for c in rows]
        outer = [axis for axis in range(rank) if axis not in inner]
        size = 1
        for axis in inner:
            size *= x.shape[axis]
        return [tf.reshape(tf.transpose(x, outer + inner), [-1, size])]

    return pieces


def _patches(layer, x):
    """Returns a list of the inputs at each place of a convolution's window."""
    rank = layer.rank
    if layer.data_format == "channels_first":
        x = tf.transpose(x, [0, *range(2, rank + 2), 1])
    windows = tuple(
        zip(layer.kernel_size, layer.strides, layer.dilation_rate, strict=True)
    )
    padded = [(0, 0)]
    for axis, window in enumerate(windows, 1):
        padded.append(_padding(layer.padding, x.shape[axis], *window))
    x = tf.pad(x, [*padded, (0, 0)])
    pieces = []
    for place in itertools.product(
        *(range(size) for size in layer.kernel_size)
    ):
        slices = [slice(None)]
        for axis, (offset, window) in enumerate(
            zip(place, windows, strict=True), 1
        ):
            size, stride, dilation = window
            count = (x.shape[axis] - (size - 1) * dilation - 1) // stride + 1
            start = offset * dilation
            slices.append(
                slice(start, start + (count - 1) * stride + 1, stride)
            )
        piece = x[(*slices, slice(None))]
        pieces.append(tf.reshape(piece, [-1, x.shape[-1]]))
    return pieces


def _padding(kind, length, size, stride, dilation):
    """Returns how many zeros a convolution pads before and after an axis."""
    reach = (size - 1) * dilation
    if kind == "causal":
        return reach, 0
    if kind == "valid":
        return 0, 0
    steps = -(-length // stride)
    missing = max((steps - 1) * stride + reach + 1 - length, 0)
    return missing // 2, missing - missing // 2


def _counts(layer, x, valid):
    """Returns how often each row of an embedding is read, the diagonal of X'X:
    the rows of X are one-hot."""
    own = layer.compute_mask(x)
    x = tf.cast(tf.convert_to_tensor(x), tf.int32)
    for one in (own, valid):
        if one is not None:
            x = tf.where(tf.cast(one, tf.bool), x, -1)
    x = tf.reshape(x, [-1])
    x = tf.boolean_mask(x, x >= 0)
    return tf.math.bincount(
        x,
        minlength=layer.input_dim,
        maxlength=layer.input_dim,
        dtype=tf.float32,
    )
