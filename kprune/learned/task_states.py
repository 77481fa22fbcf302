"""Reads the states of tasks from the arrays of a file."""

import json

import numpy as np

from kprune.runtime import array_files

_STATISTICS = ("moving_mean", "moving_variance")


def read(arrays, variables):
    """Returns the state of each task, a dict by name.

    Args:
        arrays: Mapping of the file's arrays by key.
        variables: Dict of the network's variables that a state holds.

    Raises:
        ValueError: If keys, shapes or values do not fit.
    """
    names = json.loads(str(arrays["names"]))
    places = [(i, key) for i in range(len(names)) for key in variables]
    expected = {"names", *(f"{i}/{key}" for i, key in places)}
    words = isinstance(names, list) and set(map(type, names)) <= {str}
    if not words or len(set(names)) < len(names) or set(arrays) != expected:
        raise array_files.invalid(
            f"names of tasks, and {', '.join(variables)} of each",
            f"{names!r:.100} and {', '.join(arrays):.200}",
        )
    for i, key in places:
        array, variable = arrays[f"{i}/{key}"], variables[key]
        fit = array.dtype.kind == "f" and array.shape == tuple(variable.shape)
        if not fit or not np.isfinite(array).all():
            raise array_files.invalid(
                f"finite numbers of the shape {tuple(variable.shape)} for "
                f"{i}/{key}",
                f"{array.dtype} of the shape {array.shape}",
            )
    return {
        name: {key: arrays[f"{i}/{key}"] for key in variables}
        for i, name in enumerate(names)
    }


def statistics(net):
    """Returns the moving statistics of a network, a dict by key of a state."""
    moving = [v for v in net.variables if v.name in _STATISTICS]
    return {f"statistics/{i}": v for i, v in enumerate(moving)}


def copied(variables):
    """Returns copies of the values of variables, a dict of arrays."""
    return {key: np.array(variable) for key, variable in variables.items()}
