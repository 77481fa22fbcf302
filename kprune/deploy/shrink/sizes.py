"""Counts the entries kept of each variable."""

import math

import numpy as np


def cuts(decision):
    """Returns what is kept of the variables of layers that are followed: (axis,
    indices) pairs by the id of each that is not kept whole."""
    found = {}
    for call, flow in decision.analysis.flow.items():
        if flow is None or not flow.owns or call.crossing:
            continue
        kept = decision.kept_by(call)
        for variable, slices in flow.variables(call):
            cut = [(one.axis, one.places(kept(one.signal))) for one in slices]
            if any(len(i) != variable.shape[axis] for axis, i in cut):
                found[id(variable)] = cut
    return found


def cut(array, pairs):
    """Returns the entries of an array that are kept."""
    for axis, indices in pairs:
        array = np.take(array, indices, axis)
    return array


def shape(variable, pairs):
    """Returns the shape of what is kept of a variable."""
    found = list(variable.shape)
    for axis, indices in pairs:
        found[axis] = len(indices)
    return tuple(found)


def entries(variable, pairs):
    """Returns how many entries of a variable are kept."""
    return math.prod(shape(variable, pairs))
