"""Validates the arguments of a call before it begins.

An argument of a given name takes the same values in every call; `USUAL` has
the checks. A call adds the checks of its other arguments, or overrides these.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from kprune.runtime import checks, fit_arguments, paths
from kprune.runtime.types import T

USUAL = {
    "batches": checks.optional(checks.at_least(1)),
    "batch_size": checks.optional(checks.at_least(1)),
    "callbacks": fit_arguments.callbacks,
    "carry_optimizer": checks.boolean,
    "data": checks.optional(fit_arguments.data),
    "dense_gradients": checks.boolean,
    "directory": paths.directory,
    "epochs": checks.at_least(1),
    "exclude": checks.patterns,
    "inplace": checks.boolean,
    "keep_pruned_values": checks.boolean,
    "loss": checks.optional(fit_arguments.loss),
    "masks": checks.masks,
    "model": checks.model,
    "momentum": checks.within("[0, 1)"),
    "multiply_adds": checks.boolean,
    "optimizer": checks.optional(fit_arguments.optimizer_object),
    "paths": checks.boolean,
    "prove": checks.boolean,
    "seed": checks.integer,
    "sparsity": checks.optional(checks.sparsity),
    "verbose": checks.verbose,
    "weighted": checks.boolean,
}


def checked(**kinds: Callable[[str, Any], Any] | None) -> Callable[[T], T]:
    """Makes a function validate its arguments before it does anything.

    Args:
        **kinds: For each argument, a check: a function of (name, value) that
            raises `ValueError`; or `None` to skip the usual check of an
            argument that the function validates itself.

    Returns:
        A decorator of functions, methods and classes. Omitted arguments are
        not checked.

    Example:

    >>> @checked(width=checks.at_least(1))
    ... def layer(width, seed=0):
    ...     return width
    """

    def decorate(call):
        if isinstance(call, type):
            call.__init__ = decorate(call.__init__)
            return call
        signature = inspect.signature(call)
        table = _table(signature, kinds)

        @functools.wraps(call)
        def door(*args, **kwargs):
            for name, value in _given(signature, args, kwargs).items():
                if name in table:
                    table[name](name, value)
            return call(*args, **kwargs)

        return door

    return decorate


def _table(signature, kinds):
    """Returns a dict from the arguments of a call to their checks."""
    named = set(signature.parameters)
    usual = {name: check for name, check in USUAL.items() if name in named}
    found = {**usual, **kinds}
    return {name: check for name, check in found.items() if check is not None}


def _given(signature, args, kwargs):
    """Returns a dict of the arguments that a caller passed, `**kwargs`
    included and `*args` excluded."""
    try:
        found = signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        raise TypeError(str(error)) from None
    given = {}
    for name, value in found.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            given |= value
        elif kind is not inspect.Parameter.VAR_POSITIONAL:
            given[name] = value
    return given
