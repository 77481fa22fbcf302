"""Criteria: score each weight. One file each, found by name.

A criterion is a function of (objective, weights, masks) that returns a dict
of scores, each an array of its weight's shape; higher is kept. It may evaluate
the loss through `objective.gradient` and `objective.hvp`, and modifies
nothing; `weights` (dense) and `masks` (current) are dicts by name. Its module
also has its entry in the table of methods (`METHOD`).
"""

import functools
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable
from typing import Any

from kprune.runtime import checks, lookup, methods, types
from kprune.runtime.words import shown


def names() -> list[str]:
    """Returns the names of all criteria, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def entry(criterion: types.Criterion) -> methods.Method | None:
    """Returns the entry of a criterion in the table of methods, or `None`.

    Args:
        criterion: As for `get`. A function's entry is the one of its name in
            the function's module.
    """
    function = get(criterion)
    while isinstance(function, functools.partial):
        function = function.func
    module = sys.modules.get(getattr(function, "__module__", None))  # type: ignore[arg-type]
    for method in methods.of_module(module):
        if method.name == getattr(function, "__name__", None):
            return method
    return None


def on_channels(
    criterion: types.Criterion,
) -> tuple[Callable[..., types.Scores], dict[str, Any]]:
    """Returns how a criterion ranks channels: `granularity="channel"`.

    Args:
        criterion: As for `get`.

    Returns:
        The criterion with its entry's options for channels, and the arguments
        of `kprune.Channel`, a dict.
    """
    criterion, found = get(criterion), entry(criterion)
    if found is None:
        return criterion, {}
    if found.channel_options:
        criterion = functools.partial(criterion, **found.channel_options)
    return criterion, found.channel


def options(identifier: types.Criterion) -> list[str]:
    """Returns the names of a criterion's own options."""
    return list(inspect.signature(get(identifier)).parameters)[3:]


def get(
    identifier: types.Criterion, **given: Any
) -> Callable[..., types.Scores]:
    """Returns a criterion by name; a function is returned unchanged.

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
    criterion: Any = identifier
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
