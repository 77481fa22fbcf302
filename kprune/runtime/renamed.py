"""Names the new argument where an old one is used."""

import functools
import warnings

from kprune.runtime.words import shown


def renamed(**ways):
    """Lets a call say what has become of its former arguments.

    Args:
        **ways: By former name, a string: what to write now.

    Returns:
        A decorator of functions and classes. The call that it gives raises
        `ValueError` for a former name, and is the call as it was otherwise.

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


def taken_as(**names):
    """Lets a call take arguments by former names too, with a
    `DeprecationWarning`.

    Args:
        **names: By former name, the present one.
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
