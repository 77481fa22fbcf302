"""Allocations: how many groups each weight keeps.

An allocation is a function of (groups, sizes, shapes, budget, rng). By name it
is given the scores of the groups that may be kept, flat; how many groups there
are with those that are pruned already; and the weights' shapes. Further, a
`kprune.masks.Budget` and a random generator for ties. It returns counts by
name, whose sum is exact.
"""

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


def names():
    """Returns the names of the allocations that need no argument."""
    return sorted(_ALL)


def is_by_shape(identifier):
    """Whether an allocation is known to look at no scores."""
    by_shape = (uniform, per_output, erk, er, balanced, pyramidal)
    return get(identifier) in by_shape


def get(identifier):
    """Returns an allocation by name, from a table (see `per_layer`), or a
    function as it is."""
    if callable(identifier):
        takes = 5, "(groups, sizes, shapes, budget, rng)"
        return checks.function("allocation", identifier, *takes)
    if isinstance(identifier, str) and identifier == "sensitivity":
        raise ValueError(
            'Allocation "sensitivity" goes by what was measured. Expected '
            "`allocation=kprune.allocation.sensitivity(found)`, with `found` "
            "of `kprune.sensitivity`."
        )
    if isinstance(identifier, dict):
        return per_layer(identifier)
    return lookup.choose(identifier, _ALL, "allocation")
