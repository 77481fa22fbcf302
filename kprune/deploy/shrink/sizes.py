"""Cuts variables to the kept channels."""

import math

import numpy as np


def cuts(decision):
    """Returns a dict from the id of each variable that shrinks to a list of the
    (axis, indices) kept."""
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
    """Returns the kept entries of an array."""
    for axis, indices in pairs:
        array = np.take(array, indices, axis)
    return array


def shape(variable, pairs):
    """Returns the shape of a variable's kept entries."""
    found = list(variable.shape)
    for axis, indices in pairs:
        found[axis] = len(indices)
    return tuple(found)


def entries(variable, pairs):
    """Returns the number of a variable's kept entries."""
    return math.prod(shape(variable, pairs))
