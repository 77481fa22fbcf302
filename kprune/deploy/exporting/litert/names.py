"""Matches tensors of a LiteRT file to Keras weights by value."""

import numpy as np

from kprune.masking import weights


class Names:
    """Names of a model's weights, matched by the positions of their zeros.

    The converter folds batch normalization into kernels, reorders their axes,
    rounds them and names them after operations, but zeros stay zero. Weights
    that match equally well are taken in the order of the model.

    Args:
        model: A stripped Keras model.
    """

    def __init__(self, model):
        self._left = list(weights.find(model))

    def __call__(self, array, tensor):
        """Returns the name of the weight in an array, or the tensor's own name
        if none matches. Each weight is returned once.

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
    """Returns the share of a weight's nonzero entries that are nonzero in an
    array too, in the best order of its axes; -1 if the array has a nonzero
    entry where the weight is zero in every order, or another size."""
    if values.size != kept.size:
        return -1
    most, count = -1, kept.sum()
    for order in _orders(values != 0):
        shared = (order.ravel() & kept.ravel()).sum()
        if shared == count:  # The weight covers all entries of the array.
            most = max(most, shared / max(order.sum(), 1))
    return most


def _orders(values):
    """Yields an array in the orders of axes that LiteRT's operators use."""
    yield values
    if values.ndim > 1:
        yield np.moveaxis(values, -1, 0)
    if values.ndim > 2:
        yield values.reshape(len(values), -1).T  # An einsum of several outputs.
        yield np.moveaxis(values, -2, 0)  # A transposed convolution.
