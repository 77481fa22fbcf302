"""Allocations: how many groups each weight keeps.

An allocation is a function of (groups, sizes, shapes, budget, rng). The first
three are dicts by name: the flat scores of the groups that may be kept, the
number of groups including those already pruned, and the weights' shapes.
`budget` is a `kprune.masks.Budget`, `rng` a random generator for ties. It
returns a dict of counts by name, whose sum is exact.
"""

from collections.abc import Callable
from typing import Any

from kprune.pruning.allocation.outliers import outlier_weighed, owl
from kprune.pruning.allocation.ranked import global_, lamp, normalized
from kprune.pruning.allocation.sensitivity import sensitivity
from kprune.pruning.allocation.shares import (
    balanced,
    er,
    erk,
    pyramidal,
    uniform,
)
from kprune.pruning.allocation.smart_ratio import smart_ratio, smart_ratios
from kprune.pruning.allocation.table import per_layer
from kprune.pruning.allocation.within_outputs import per_output, per_outputs
from kprune.runtime import checks, lookup

__all__ = [
    "balanced",
    "er",
    "erk",
    "get",
    "global_",
    "is_by_shape",
    "lamp",
    "names",
    "normalized",
    "outlier_weighed",
    "owl",
    "per_layer",
    "per_output",
    "per_outputs",
    "pyramidal",
    "sensitivity",
    "smart_ratio",
    "smart_ratios",
    "uniform",
]
_ALL = {
    f.__name__: f
    for f in (
        uniform,
        per_output,
        erk,
        er,
        balanced,
        pyramidal,
        smart_ratio,
        normalized,
        lamp,
        owl,
    )
}
_ALL["global"] = global_


def names() -> list[str]:
    """Returns the names of the allocations that need no argument, sorted."""
    return sorted(_ALL)


def is_by_shape(
    identifier: str | dict[str, float] | Callable[..., Any],
) -> bool:
    """Returns whether an allocation is known to read no scores."""
    by_shape = (uniform, per_output, erk, er, balanced, pyramidal)
    return get(identifier) in by_shape


def get(
    identifier: str | dict[str, float] | Callable[..., Any],
) -> Callable[..., dict[str, int]]:
    """Returns an allocation; a function is returned unchanged.

    Args:
        identifier: A name, a table of sparsities (see `per_layer`), or a
            function of (groups, sizes, shapes, budget, rng).

    Raises:
        ValueError: If there is no such allocation.
    """
    if callable(identifier):
        takes = 5, "(groups, sizes, shapes, budget, rng)"
        return checks.function("allocation", identifier, *takes)
    if isinstance(identifier, str) and identifier == "sensitivity":
        raise ValueError(
            'Allocation "sensitivity" needs measurements. Expected '
            "`allocation=kprune.allocation.sensitivity(found)`, with `found` "
            "of `kprune.sensitivity`."
        )
    if isinstance(identifier, dict):
        return per_layer(identifier)
    return lookup.choose(identifier, _ALL, "allocation")
