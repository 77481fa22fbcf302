"""Allocates the sparsities that the caller gives."""

from collections.abc import Callable

from kprune.masking import weights
from kprune.runtime import checks
from kprune.runtime.doors import checked


@checked(table=checks.dict_of(checks.sparsity, "sparsities"))
def per_layer(table: dict[str, float]) -> Callable[..., dict[str, int]]:
    """Returns an allocation from a table of sparsities.

    Args:
        table: Dict from a weight's name, a layer's name or a regular
            expression to a sparsity in [0, 1). Weights that match no key take
            the sparsity given to `prune`; if several keys match, the first
            applies.

    Returns:
        An allocation, a function.

    Example:

    >>> allocation = kprune.allocation.per_layer({"fc3": 0.5, "fc[12]/.*": 0.9})
    """
    for pattern, sparsity in table.items():
        checks.sparsity(f"allocation[{pattern!r}]", sparsity)

    def by_table(groups, sizes, shapes, budget, rng):
        del shapes, rng
        chosen = {}
        for pattern, sparsity in table.items():
            for name in weights.matched(pattern, groups, "weight"):
                chosen.setdefault(name, sparsity)
        counts = {
            name: budget.keep(size, chosen.get(name))
            for name, size in sizes.items()
        }
        return {
            name: min(max(k, budget.minimum), groups[name].size)
            for name, k in counts.items()
        }

    return by_table
