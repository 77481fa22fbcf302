"""Validates arguments: returns the value or raises one sentence.

Each check takes the argument's name and value first, so that `doors.checked`
takes it directly or as a `functools.partial`.
"""

import functools
import inspect
import math
import numbers

import keras
import numpy as np
import tensorflow as tf

from kprune.runtime import lookup
from kprune.runtime.words import shown


def invalid(name, value, expected):
    """Returns the `ValueError` for an argument.

    Args:
        name: The argument's name.
        value: The invalid value.
        expected: String, the expected value, such as `"an integer >= 1"`.
    """
    return ValueError(
        f"Invalid value for argument `{name}`. Expected {expected}. "
        f"Received: {name}={shown(value)}"
    )


def require(condition, name, value, expected):
    """Returns the value of an argument, or raises unless a condition holds."""
    if not condition:
        raise invalid(name, value, expected)
    return value


def integer(name, value, least=0, why=""):
    """Returns an integer >= `least`; rejects booleans."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    expected = f"an integer >= {least}{why}"
    return require(whole and value >= least, name, value, expected)


def at_least(least, why=""):
    """Returns the check of an integer >= `least`."""
    return functools.partial(integer, least=least, why=why)


def is_number(value):
    """Returns whether a value is a finite real number and not a boolean."""
    return (
        isinstance(value, numbers.Real)
        and not isinstance(value, bool)
        and math.isfinite(value)
    )


def number(name, value, interval="(-inf, inf)", why=""):
    """Returns a finite number in an interval.

    Args:
        name, value: As for `invalid`.
        interval: String such as `"[0, 1)"` or `"(0, inf)"`, in which a round
            bracket excludes the end.
        why: String that the error adds to explain the number.
    """
    low, high = map(float, interval[1:-1].split(","))
    inside = is_number(value) and (
        (low < value or (interval[0] == "[" and value == low))
        and (value < high or (interval[-1] == "]" and value == high))
    )
    return require(inside, name, value, f"{_described(low, interval)}{why}")


def within(interval, why=""):
    """Returns the check of a number in an interval (see `number`)."""
    return functools.partial(number, interval=interval, why=why)


def _described(low, interval):
    """Returns a description of an interval, in words if these are shorter."""
    if not interval.endswith("inf)"):
        return f"a number in {interval}"
    if math.isinf(low):
        return "a finite number"
    return f"a number {'>=' if interval[0] == '[' else '>'} {low:g}"


def sparsity(name, value):
    """Returns a sparsity, a number in [0, 1)."""
    return number(name, value, "[0, 1)", ", the share to remove")


def choice(name, value, choices):
    """Returns one of `choices`; the error suggests similar ones."""
    known = isinstance(value, str | None) and value in choices
    if not known:
        raise ValueError(lookup.unknown(value, choices, f"value of `{name}`"))
    return value


def instance(name, value, kinds, expected):
    """Returns an instance of one of the classes `kinds`."""
    return require(isinstance(value, kinds), name, value, expected)


def one_of(*choices):
    """Returns the check of one of `choices`, strings or `None`."""
    return functools.partial(choice, choices=choices)


def optional(check):
    """Returns a check that also accepts `None`."""

    def checked(name, value):
        return None if value is None else check(name, value)

    return checked


def of_class(kinds, expected):
    """Returns the check of an instance of one of the classes `kinds`."""
    return functools.partial(instance, kinds=kinds, expected=expected)


def with_attributes(expected, *attributes):
    """Returns the check of an object, not a class, that has `attributes`."""

    def check(name, value):
        known = all(hasattr(value, one) for one in attributes)
        known = known and not isinstance(value, type)
        return require(known, name, value, expected)

    return check


def boolean(name, value):
    """Returns a boolean."""
    return instance(name, value, bool | np.bool_, "True or False")


def string(name, value):
    """Returns a string that is not empty and has no null character."""
    words = isinstance(value, str) and value and "\0" not in value
    return require(words, name, value, "a string that is not empty")


def verbose(name, value):
    """Returns a `verbose` value as Keras' `fit` takes it."""
    known = isinstance(value, str) and value == "auto"
    whole = isinstance(value, numbers.Integral) and value in (0, 1, 2)
    return require(known or whole, name, value, '"auto", 0, 1 or 2')


# Callables that are not functions of the arguments kprune passes.
_NO_FUNCTIONS = (
    type,
    keras.layers.Layer,
    keras.losses.Loss,
    keras.metrics.Metric,
)


def function(name, value, count=None, takes=""):
    """Returns a function that takes `count` positional arguments.

    Args:
        name, value: As for `invalid`.
        count: Integer, or `None` for any number.
        takes: String that names the arguments, such as `"(model, seed)"`.
    """
    expected = f"a function of {takes}" if takes else "a function"
    plain = callable(value) and not isinstance(value, _NO_FUNCTIONS)
    require(plain, name, value, expected)
    if count is not None:
        require(can_take(value, count), name, value, expected)
    return value


def of_function(count, takes):
    """Returns the check of a function of `count` arguments (see `function`)."""
    return functools.partial(function, count=count, takes=takes)


def can_take(function, count, **named):
    """Returns whether a function can be called with `count` positional and
    the `named` arguments."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # Some built-ins have no signature.
        return True
    try:
        signature.bind(*[None] * count, **named)
    except TypeError:
        return False
    return True


def model(name, value):
    """Returns a Keras model, or a `masking.weights.View` of one."""
    if not isinstance(getattr(value, "model", value), keras.Model):
        raise ValueError(
            f"Expected `{name}` to be a keras.Model. "
            f"Received: {type(value).__name__}"
        )
    return value


def dict_of(check, what):
    """Returns the check of a dict from strings to values that pass a check.

    Args:
        check: A function of (name, value).
        what: String that names the values, such as `"masks"`.
    """

    def checked(name, value):
        by_name = isinstance(value, dict) and all(
            isinstance(key, str) for key in value
        )
        require(by_name, name, value, f"a dict from names to {what}")
        for key, one in value.items():
            check(f"{name}[{key!r}]", one)
        return value

    return checked


def sequence_of(check, what):
    """Returns the check of a list, tuple, range or array of values that pass a
    check."""

    def checked(name, value):
        listed = isinstance(value, list | tuple | range)
        listed = listed or (isinstance(value, np.ndarray) and value.ndim > 0)
        require(listed, name, value, f"a list of {what}")
        for place, one in enumerate(value):
            check(f"{name}[{place}]", one)
        return value

    return checked


_ARRAYS = (np.ndarray, np.generic, tf.Tensor, tf.Variable, keras.Variable)


def array(name, value, kinds="biuf", expected="an array of numbers"):
    """Returns an array or tensor of numbers; converts others to NumPy arrays.

    Args:
        name, value: As for `invalid`.
        kinds: String of the accepted kinds of dtype, as in NumPy's
            `dtype.kind`.
        expected: String, as for `invalid`.
    """
    found = value
    if not isinstance(value, _ARRAYS):
        try:
            found = np.asarray(value)
        except Exception:
            found = None
    fits = found is not None and _kind(found.dtype) in kinds
    require(fits, name, value, expected)
    return found


def _kind(dtype):
    """Returns NumPy's kind of a dtype; bfloat16 counts as a float."""
    dtype = np.dtype(getattr(dtype, "as_numpy_dtype", dtype))
    return "f" if "bfloat16" in dtype.name else dtype.kind


def mask(name, value):
    """Returns a mask as a boolean array; accepts numbers 0 and 1 too."""
    expected = (
        "an array that must be boolean (True = kept) or hold only 0 and 1"
    )
    found = array(name, value, "biuf", expected)
    found = np.asarray(found)
    if found.dtype != bool:
        require(np.isin(found, (0, 1)).all(), name, value, expected)
    return found.astype(bool)


masks = dict_of(mask, "masks, as kprune.get_masks gives")
arrays = dict_of(array, "arrays")


def model_or_masks(name, value):
    """Returns a Keras model, or a dict of masks."""
    if not isinstance(value, keras.Model | dict):
        raise ValueError(
            f"Expected `{name}` to be a dict of masks or a keras.Model. "
            f"Received: {type(value).__name__}"
        )
    return masks(name, value) if isinstance(value, dict) else value


def patterns(name, value):
    """Returns names and regular expressions as a tuple of strings."""
    found = (value,) if isinstance(value, str) else value
    expected = "a name, or a list of names or regular expressions"
    iterable = isinstance(found, list | tuple | set | frozenset)
    words = iterable and all(isinstance(one, str) for one in found)
    require(words, name, value, expected)
    return tuple(found)


def no_options(options, what):
    """Raises if options come with `what`, a value that takes none."""
    if options:
        raise ValueError(
            f"Options belong to a method given by name. Received {what} and "
            f"the options {sorted(options)}."
        )
