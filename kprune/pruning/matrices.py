"""Lays weights out as matrices of inputs by outputs."""

import numpy as np

from kprune.pruning.granularity.base import (
    as_matrix,
    matrix_shape,
    put_back,
)

_MOST = 2**27  # Numbers of float64.


def scored(objective, weights, function):
    """Returns scores by name, each of its weight's shape and dtype.

    Args:
        objective: A `kprune.Objective`.
        weights: Dict of tensors by name.
        function: Function of (name, matrix) to a matrix of scores, with the
            weight as a matrix of inputs by outputs.
    """
    scores = {}
    for name, w in weights.items():
        layout = objective.layouts[name]
        found = function(name, of(w, layout))
        scores[name] = put_back(found.astype(np.asarray(w).dtype), layout)
    return scores


def of(w, layout):
    """Returns a weight as a matrix of inputs by outputs."""
    return as_matrix(np.asarray(w), layout)


def grams(objective, point, names=None):
    """Yields (name, X'X) of the weights `names`, by default all of them.

    Each pass over the data computes as many as fit into about a gigabyte.
    """
    part, size = [], 0
    for name in point if names is None else names:
        rows = matrix_shape(objective.layouts[name])[0]
        if part and size + rows**2 > _MOST:
            yield from objective.inputs(point, gram=True, names=part).items()
            part, size = [], 0
        part.append(name)
        size += rows**2
    if part:
        yield from objective.inputs(point, gram=True, names=part).items()
