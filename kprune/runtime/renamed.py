"""Names the new argument where an old one is used."""

import functools
import warnings
from collections.abc import Callable

from kprune.runtime.types import T
from kprune.runtime.words import shown


def renamed(**ways: str) -> Callable[[T], T]:
    """Makes a function name the replacement of a removed argument.

    Args:
        **ways: For each former name, a string that says what to write now.

    Returns:
        A decorator of functions and classes. The decorated one raises
        `ValueError` for a former name, and behaves as before otherwise.

    Example:

    >>> @renamed(survivors="`rewind_weights=`")
    ... def imp(rewind_weights="rewind"):
    ...     return rewind_weights
    """

    def decorate(call):
        if isinstance(call, type):
            call.__init__ = decorate(call.__init__)
            return call

        @functools.wraps(call)
        def checked(*args, **kwargs):
            for name in sorted(kwargs.keys() & ways.keys()):
                raise ValueError(
                    f"`{name}` was an argument of kprune 0.1. Expected "
                    f"{ways[name]}. Received: {name}={shown(kwargs[name])}"
                )
            return call(*args, **kwargs)

        return checked

    return decorate


def taken_as(**names: str) -> Callable[[T], T]:
    """Makes a function accept former argument names, with a
    `DeprecationWarning`.

    Args:
        **names: For each former name, the current one.

    Returns:
        A decorator of functions.
    """

    def decorate(call):
        @functools.wraps(call)
        def translated(*args, **kwargs):
            for name in sorted(kwargs.keys() & names.keys()):
                warnings.warn(
                    f"`{name}` is now called `{names[name]}`.",
                    DeprecationWarning,
                    stacklevel=2,
                )
                kwargs[names[name]] = kwargs.pop(name)
            return call(*args, **kwargs)

        return translated

    return decorate
