"""Criteria: how much each weight matters. One file each, found by its name.

A criterion is a function of (objective, weights, masks) that returns a dict
of scores, each an array of its weight's shape; higher is kept. It may look at
the loss through `objective.gradient` and `objective.hvp` and changes nothing.
"""

import functools
import importlib
import inspect
import pkgutil

from kprune.runtime import lookup


def names():
    """Returns the names of all criteria."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def on_channels(criterion):
    """Returns how a criterion ranks channels: `granularity="channel"`.

    A function says so in two attributes, which it need not have:
    `on_channels`, a dict of arguments of `kprune.Channel`, and
    `options_on_channels`, a dict of its own options.

    Args:
        criterion: As for `get`.

    Returns:
        The criterion with these options, and the arguments.
    """
    criterion = function = get(criterion)
    while isinstance(function, functools.partial):
        function = function.func
    options = getattr(function, "options_on_channels", {})
    if options:
        criterion = functools.partial(criterion, **options)
    return criterion, getattr(function, "on_channels", {})


def get(identifier, **options):
    """Returns a criterion by name, or a function as it is.

    Args:
        identifier: A name, or a function of (objective, weights, masks).
        **options: Keyword arguments of the criterion.

    Returns:
        A function of (objective, weights, masks).

    Raises:
        ValueError: If there is no such criterion or option.

    Example:

    >>> criterion = kprune.criteria.get("grasp", temperature=200.0)
    """
    criterion = identifier
    if not callable(identifier):
        if identifier not in names():
            raise ValueError(lookup.unknown(identifier, names(), "criterion"))
        module = importlib.import_module(f"{__name__}.{identifier}")
        criterion = getattr(module, identifier)
    known = list(inspect.signature(criterion).parameters)[3:]
    lookup.check_options(options, known, repr(identifier))
    return functools.partial(criterion, **options) if options else criterion
