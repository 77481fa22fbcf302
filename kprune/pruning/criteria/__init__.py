"""Criteria: score each weight. One file each, found by name.

A criterion is a function of (objective, weights, masks) that returns a dict
of scores, each an array of its weight's shape; higher is kept. It may look at
the loss through `objective.gradient` and `objective.hvp` and changes nothing;
dense weights and current masks are dicts by name. Beside it stands its entry
in the table of methods (`METHOD`).
"""

import functools
import importlib
import inspect
import pkgutil
import sys

from kprune.runtime import checks, lookup, methods
from kprune.runtime.words import shown


def names():
    """Returns the names of all criteria."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def entry(criterion):
    """Returns the entry of a criterion in the table of methods, or `None`.

    Args:
        criterion: As for `get`. A function has the entry of its name that
            stands in the same module.
    """
    function = get(criterion)
    while isinstance(function, functools.partial):
        function = function.func
    module = sys.modules.get(getattr(function, "__module__", None))
    for method in methods.of_module(module):
        if method.name == getattr(function, "__name__", None):
            return method
    return None


def on_channels(criterion):
    """Returns how a criterion ranks channels: `granularity="channel"`.

    Args:
        criterion: As for `get`.

    Returns:
        The criterion with the options that its entry has for channels, and
        the arguments of `kprune.Channel`, a dict.
    """
    criterion, found = get(criterion), entry(criterion)
    if found is None:
        return criterion, {}
    if found.channel_options:
        criterion = functools.partial(criterion, **found.channel_options)
    return criterion, found.channel


def options(identifier):
    """Returns the names of a criterion's own options, a list."""
    return list(inspect.signature(get(identifier)).parameters)[3:]


def get(identifier, **given):
    """Returns a criterion by name, or a function as it is.

    Args:
        identifier: A name, or a function of (objective, weights, masks).
        **given: Keyword arguments of the criterion.

    Returns:
        A function of (objective, weights, masks).

    Raises:
        ValueError: If there is no such criterion or option.

    Example:

    >>> criterion = kprune.criteria.get("grasp", temperature=200.0)
    """
    criterion = identifier
    if callable(identifier):
        takes = 3, "(objective, weights, masks)"
        checks.function("criterion", identifier, *takes)
    else:
        lookup.choose(identifier, dict.fromkeys(names()), "criterion")
        module = importlib.import_module(f"{__name__}.{identifier}")
        criterion = getattr(module, identifier)
    if not given:
        return criterion
    lookup.check_options(given, options(criterion), shown(identifier))
    return functools.partial(criterion, **given)
