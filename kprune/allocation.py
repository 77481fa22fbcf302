"""How many groups each weight keeps.

An allocation is a function of (groups, sizes, shapes, budget, rng). By name it
is given the scores of the groups that may be kept, flat; how many groups there
are with those that are pruned already; and the weights' shapes. Further, a
`kprune.masks.Budget` and a random generator for ties. It returns counts by
name, whose sum is exact.
"""

from fractions import Fraction

import numpy as np

from kprune import lookup, masks, weights


def global_(groups, sizes, shapes, budget, rng):
    """Ranks all groups of the model together."""
    del shapes
    parts = [
        _with_minimum_first(scores, budget.minimum, rng)
        for scores in groups.values()
    ]
    total = _total(groups, sizes, budget)
    if total == 0:
        return dict.fromkeys(groups, 0)
    border = masks.kth_largest(parts, total)
    counts = [int(np.count_nonzero(part > border)) for part in parts]
    ties = [int(np.count_nonzero(part == border)) for part in parts]
    # Which of the equal groups stay is drawn: here, how many of each weight.
    drawn = rng.multivariate_hypergeometric(
        ties, total - sum(counts), method="marginals"
    )
    return {
        name: count + int(extra)
        for name, count, extra in zip(groups, counts, drawn, strict=True)
    }


def uniform(groups, sizes, shapes, budget, rng):
    """The same sparsity in each weight."""
    del shapes, rng
    everything = sum(sizes.values())
    share = Fraction(budget.keep(everything), everything)
    targets = {name: share * size for name, size in sizes.items()}
    return _to_counts(targets, groups, sizes, budget)


def erk(groups, sizes, shapes, budget, rng):
    """Density in proportion to (sum of dimensions) / (their product).

    Erdos-Renyi-Kernel of RigL, Evci et al., 2020,
    https://arxiv.org/abs/1911.11134. Weights whose density would pass 1 stay
    dense, and the rest shares what is left.
    """
    del rng
    densities = {
        n: Fraction(sum(s), int(np.prod(s))) for n, s in shapes.items()
    }
    return _in_proportion(densities, groups, sizes, budget)


def er(groups, sizes, shapes, budget, rng):
    """Density in proportion to (inputs + outputs) / (inputs x outputs).

    The last two dimensions count, as in SET (Mocanu et al., 2018,
    https://arxiv.org/abs/1707.04780) and its extension to convolutions in
    RigL. Equal to ERK for matrices.
    """
    shapes = {name: shape[-2:] for name, shape in shapes.items()}
    return erk(groups, sizes, shapes, budget, rng)


def per_layer(table):
    """Makes an allocation from a table of sparsities.

    Args:
        table: Dict from a weight's name, a layer's name or a regular
            expression to a sparsity in [0, 1). Weights that no key stands for
            take the sparsity given to `prune`; of several keys, the first
            counts.

    Example:

    >>> allocation = kprune.allocation.per_layer({"fc3": 0.5, "fc[12]/.*": 0.9})
    """
    for pattern, sparsity in table.items():
        if not 0 <= sparsity < 1:
            raise ValueError(
                "Expected sparsities in [0, 1) in the allocation table. "
                f"Received: {pattern!r}: {sparsity!r}"
            )

    def by_table(groups, sizes, shapes, budget, rng):
        del shapes, rng
        chosen = {}
        for pattern, sparsity in table.items():
            found = weights.matching(pattern, groups)
            if not found:
                raise ValueError(lookup.unknown(pattern, groups, "weight"))
            for name in found:
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


_ALL = {"global": global_, "uniform": uniform, "erk": erk, "er": er}


def names():
    """Returns the names of the allocations that need no argument."""
    return sorted(_ALL)


def get(identifier):
    """Returns an allocation by name, from a table (see `per_layer`), or a
    function as it is."""
    if callable(identifier):
        return identifier
    if isinstance(identifier, dict):
        return per_layer(identifier)
    return lookup.choose(identifier, _ALL, "allocation")


def _total(groups, sizes, budget):
    """Returns how many groups stay in all, or says why that cannot be."""
    total = min(
        budget.keep(sum(sizes.values())),
        sum(scores.size for scores in groups.values()),
    )
    asked = sum(min(budget.minimum, s.size) for s in groups.values())
    if asked > total:
        raise ValueError(
            f"`min_kept={budget.minimum}` asks for {asked} groups in all, but "
            f"only {total} are to be kept. Lower `min_kept` or `sparsity`."
        )
    return total


def _with_minimum_first(scores, minimum, rng):
    """Lifts the best `minimum` groups above all others."""
    if minimum == 0:
        return scores
    best = masks.top_k(scores, min(minimum, scores.size), rng)
    return np.where(best, np.inf, scores)


def _in_proportion(densities, groups, sizes, budget):
    """Scales densities to the budget, capped at all groups of a weight."""
    most = {name: scores.size for name, scores in groups.items()}
    total = _total(groups, sizes, budget)
    raw = {name: densities[name] * size for name, size in sizes.items()}
    dense = set()
    while True:
        free = [name for name in groups if name not in dense]
        left = total - sum(most[name] for name in dense)
        weight = sum(raw[name] for name in free)
        scale = Fraction(left) / weight if weight else Fraction(0)
        over = [name for name in free if scale * raw[name] > most[name]]
        if not over:
            break
        dense.update(over)
    targets = {
        name: Fraction(most[name]) if name in dense else scale * raw[name]
        for name in groups
    }
    return _to_counts(targets, groups, sizes, budget)


def _to_counts(targets, groups, sizes, budget):
    """Rounds real counts to integers whose sum is the budget's.

    Each is rounded by itself first. What that leaves over or short is taken
    from, or given to, the weights whose rounding was furthest off.
    """
    most = {name: scores.size for name, scores in groups.items()}
    least = {name: min(budget.minimum, n) for name, n in most.items()}
    total = _total(groups, sizes, budget)
    counts = {
        name: min(max(round(target), least[name]), most[name])
        for name, target in targets.items()
    }
    while sum(counts.values()) != total:
        step = 1 if sum(counts.values()) < total else -1
        movable = [
            name
            for name, k in counts.items()
            if (k < most[name] if step > 0 else k > least[name])
        ]
        name = max(movable, key=lambda n: step * (targets[n] - counts[n]))
        counts[name] += step
    return counts
