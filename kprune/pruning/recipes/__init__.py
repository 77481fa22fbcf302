"""The methods of the literature as choices on the four axes.

`get` returns the `kprune.Pruner` of any method by name. If a method is a
criterion, its recipe is in the criterion's file; the others are here. A call
can still replace any axis.
"""

import functools
import inspect
from typing import Any

from kprune.pruning import criteria
from kprune.pruning.chain import Chain
from kprune.pruning.fields import AXES
from kprune.pruning.given_scores import GivenScores
from kprune.pruning.pruner import Pruner
from kprune.pruning.recipes.blocks import block_influence
from kprune.pruning.recipes.brain_surgery import optimal_brain_surgeon
from kprune.pruning.recipes.channels import three_sp
from kprune.pruning.recipes.iterated import force, iter_snip
from kprune.pruning.recipes.layer_adaptive import lamp
from kprune.pruning.recipes.neurons import (
    linear_ossum_norm,
    log_ossum_norm,
    neuron_norm,
    neuron_random,
    ossum_norm,
)
from kprune.pruning.recipes.node_paths import node_path_balance
from kprune.pruning.recipes.tickets import hybrid_tickets, random_tickets
from kprune.pruning.recipes.while_training import EpochSchedule, asni, gmp
from kprune.runtime import checks, lookup, methods, own_names, types

__all__ = [
    "EpochSchedule",
    "asni",
    "block_influence",
    "force",
    "get",
    "gmp",
    "gradual",
    "hybrid_tickets",
    "iter_snip",
    "lamp",
    "linear_ossum_norm",
    "log_ossum_norm",
    "neuron_norm",
    "neuron_random",
    "node_path_balance",
    "optimal_brain_surgeon",
    "ossum_norm",
    "random_tickets",
    "three_sp",
]


def __getattr__(name: str) -> Any:
    """Returns a criterion's recipe: `kprune.recipes.snip()`, `get("snip")`."""
    if name in criteria.names():
        return functools.partial(get, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def get(
    method: types.Criterion | Pruner | Chain | types.Scores,
    **options: Any,
) -> Any:
    """Returns the pruner of a method.

    Args:
        method: A method's name, a `Pruner` or `Chain`, a criterion function or
            `"module:function"` for one, or a dict of scores by weight name.
        **options: Options of the method, and axes of `kprune.Pruner` that
            replace its own: `AXES`. An axis that is `None` is not replaced.

    Returns:
        A `Pruner` or a `Chain`.

    Raises:
        ValueError: If there is no such method or option, or the method prunes
            during training.
    """
    if isinstance(method, (Pruner, Chain)):
        own, axes = _split(options, ())
        checks.no_options(own, "a Pruner")
        return method.with_axes(**axes)
    if isinstance(method, dict):
        method = GivenScores(method)
    if own_names.is_name(method):
        method = own_names.get(method, "criterion")
    if callable(method):
        return _of_criterion(method, None, options)
    return _made(methods.find(method, "prune"), options)


def gradual(
    method: types.Criterion | Pruner | Chain | dict[str, types.ArrayLike],
    **options: Any,
) -> Any:
    """Returns the pruner of a method for pruning during training.

    Args:
        method: As for `get`, or the name of a method of `GradualPruning`.
        **options: As for `get`.

    Returns:
        A `Pruner` or `Chain`, of which each update is one round, or an
        `EpochSchedule`.

    Raises:
        ValueError: If there is no such method or option.
    """
    if isinstance(method, str):
        return _made(methods.find(method, "GradualPruning", "prune"), options)
    return get(method, **options)


def _made(method, options):
    """Builds a method; raises `ValueError` if an option is unknown."""
    name, build = method.name, method.build
    known = list(inspect.signature(build).parameters) if callable(build) else []
    scores = name in criteria.names()
    if scores:
        known = [*known[1:], *criteria.options(name)]
    own, axes = _split(options, known)
    lookup.check_options(own, [*known, *AXES], f"method {name!r}")
    if scores:
        return _of_criterion(name, build, options)
    return build(**own).with_axes(**axes)


def _of_criterion(criterion, build, options):
    """Returns the pruner of a criterion.

    Args:
        criterion: A name or a function.
        build: The `build` of its `Method`, or `None`.
        options: Dict of the options of both, and axes.
    """
    own, axes = _split(options, criteria.options(criterion))
    extra = {}
    if callable(build):
        names = list(inspect.signature(build).parameters)[1:]
        extra = {name: own.pop(name) for name in names if name in own}
    criterion = criteria.get(criterion, **own)
    fields = build(criterion, **extra) if callable(build) else build or {}
    fields = {"pruner": Pruner, "criterion": criterion, **fields}
    return fields.pop("pruner")(**fields).with_axes(**axes)


def _split(options, own):
    """Splits options into a method's own and the given axes, two dicts."""
    axes = [name for name in AXES if name in options and name not in own]
    given = {n: options[n] for n in axes if options[n] is not None}
    return {n: v for n, v in options.items() if n not in axes}, given
