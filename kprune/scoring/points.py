"""Points in weight space, as dicts of weights by name."""

import functools

import numpy as np
import tensorflow as tf

from kprune.runtime import checks

FLOATS = checks.dict_of(
    functools.partial(checks.array, kinds="f", expected="an array of floats"),
    "arrays",
)
POINT = {
    "weights": FLOATS,
    "temperature": checks.optional(checks.within("(0, inf)")),
}


def names(given, weights, others):
    """Returns the names in `given`, in the order of the model.

    Args:
        given: Dict of values by name: all of `weights`, optionally with all
            of `others`.
        weights, others: Dicts of values by name.

    Raises:
        ValueError: If a name is missing or unknown, or a shape differs.
    """
    found = list(weights)
    if len(given) > len(found):
        found += list(others)
    missing = set(found) ^ set(given)
    if missing:
        raise ValueError(
            "Expected `weights` to have exactly the prunable weights, or "
            f"all of `others` too. Missing or unknown: {sorted(missing)}"
        )
    known = {**weights, **others}
    for name in found:
        expected, received = np.shape(known[name]), np.shape(given[name])
        if tuple(expected) != tuple(received):
            raise ValueError(
                f"Expected {name!r} of shape {tuple(expected)}. Received: "
                f"{tuple(received)}"
            )
    return found


def normalized(vector):
    """Returns the norm of a dict of tensors, and the dict divided by it; 1 and
    the unchanged dict if the norm is zero."""
    norm = float(tf.linalg.global_norm(list(vector.values())))
    if norm == 0:
        return 1.0, vector
    return norm, {name: v / norm for name, v in vector.items()}


def check_finite(values, what):
    """Raises `ValueError` if a dict of tensors has NaN or infinite values."""
    for name, value in values.items():
        array = np.asarray(value)
        # A finite sum has finite terms, and is the quicker check.
        if not np.isfinite(array.sum()) and not np.isfinite(array).all():
            raise ValueError(
                f"The {what} of {name!r} hold NaN or infinite values. "
                "Expected finite numbers: check the weights, the data "
                "and the loss."
            )
