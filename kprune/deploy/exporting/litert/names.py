"""Matches tensors of a LiteRT file to Keras weights by value."""

import numpy as np

from kprune.masking import weights


class Names:
    """The names of a model's weights, found by where they are zero.

    A converter scales kernels by the batch normalization behind them, reorders
    their axes, rounds them and names them after operations: but what is zero
    stays zero. Where several weights look alike, they come in the order of the
    model.

    Args:
        model: A stripped Keras model.
    """

    def __init__(self, model):
        self._left = list(weights.find(model))

    def __call__(self, array, tensor):
        """Returns the name of the weight that an array holds, or the tensor's
        own name if it is none.

        Args:
            array: Array of a tensor's values.
            tensor: Name of the tensor.
        """
        kept = array != 0
        best, most = None, -1
        for weight in self._left:
            shared = _shared(weight.variable.numpy(), kept)
            if shared > most:
                best, most = weight, shared
        if best is None:
            return tensor
        self._left = [one for one in self._left if one is not best]
        return best.name


def _shared(values, kept):
    """Returns how many entries of a weight are kept in an array that is zero
    wherever the weight is, with the axes in one of the orders that operators
    have; -1 if there is none."""
    if values.size != kept.size:
        return -1
    most, count = -1, kept.sum()
    for order in _orders(values != 0):
        shared = (order.ravel() & kept.ravel()).sum()
        if shared == count:  # All that the array keeps.
            most = max(most, shared / max(order.sum(), 1))
    return most


def _orders(values):
    """Yields a weight's values with their axes as operators may have them."""
    yield values
    if values.ndim > 1:
        yield np.moveaxis(values, -1, 0)
    if values.ndim > 2:
        yield values.reshape(len(values), -1).T  # An einsum of several outputs.
        yield np.moveaxis(values, -2, 0)  # A transposed convolution.
