"""Checks of arguments: each returns the value, or raises one sentence."""

import math
import numbers

from kprune.runtime import lookup


def invalid(name, value, expected):
    """Returns the `ValueError` for an argument.

    Args:
        name: The argument's name.
        value: What was given.
        expected: String, what was expected, such as `"an integer >= 1"`.
    """
    return ValueError(
        f"Invalid value for argument `{name}`. Expected {expected}. "
        f"Received: {name}={value!r}"
    )


def require(condition, name, value, expected):
    """Returns the value of an argument if a condition holds."""
    if not condition:
        raise invalid(name, value, expected)
    return value


def integer(name, value, least=0, why=""):
    """Returns a whole number >= `least`; a boolean is none."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    expected = f"an integer >= {least}{why}"
    return require(whole and value >= least, name, value, expected)


def is_number(value):
    """Whether a value is a finite real number, and no boolean."""
    return (
        isinstance(value, numbers.Real)
        and not isinstance(value, bool)
        and math.isfinite(value)
    )


def number(name, value, interval="(-inf, inf)", why=""):
    """Returns a finite number that lies in an interval.

    Args:
        name, value: As for `invalid`.
        interval: String such as `"[0, 1)"` or `"(0, inf)"`: round brackets
            leave an end out.
        why: String, more words on what the number is.
    """
    low, high = map(float, interval[1:-1].split(","))
    inside = is_number(value) and (
        (low < value or (interval[0] == "[" and value == low))
        and (value < high or (interval[-1] == "]" and value == high))
    )
    return require(inside, name, value, f"{_described(low, interval)}{why}")


def _described(low, interval):
    """Returns an interval in words, where words are shorter."""
    if not interval.endswith("inf)"):
        return f"a number in {interval}"
    if math.isinf(low):
        return "a finite number"
    return f"a number {'>=' if interval[0] == '[' else '>'} {low:g}"


def sparsity(value, name="sparsity"):
    """Returns the share to remove, a number in [0, 1)."""
    return number(name, value, "[0, 1)", ", the share to remove")


def choice(name, value, choices):
    """Returns one of some choices; the error says which are near."""
    known = isinstance(value, str | None) and value in choices
    if not known:
        raise ValueError(lookup.unknown(value, choices, f"value of `{name}`"))
    return value


def instance(name, value, kinds, expected):
    """Returns an object of one of some classes."""
    return require(isinstance(value, kinds), name, value, expected)


def patterns(name, value):
    """Returns names and regular expressions as a tuple of strings."""
    found = (value,) if isinstance(value, str) else value
    expected = "a name, or a list of names or regular expressions"
    iterable = isinstance(found, list | tuple | set | frozenset)
    words = iterable and all(isinstance(one, str) for one in found)
    require(words, name, value, expected)
    return tuple(found)


def no_options(options, what):
    """Raises if options come with a value that takes none."""
    if options:
        raise ValueError(
            f"Options belong to a method given by name. Received {what} and "
            f"the options {sorted(options)}."
        )
