"""How many groups each weight keeps.

An allocation is a function of (groups, shapes, budget, rng): pooled scores by
name, the weights' shapes by name, a `kprune.masks.Budget`, and a random
generator for ties. It returns counts by name, whose sum is exact.
"""

from fractions import Fraction

import numpy as np

from kprune import lookup, masks, weights


def global_(groups, shapes, budget, rng):
    """Ranks all groups of the model together."""
    del shapes
    lifted = {
        name: _with_minimum_first(scores, budget.minimum, rng).ravel()
        for name, scores in groups.items()
    }
    sizes = {name: masks.candidates(part) for name, part in lifted.items()}
    total = budget.keep(sum(part.size for part in lifted.values()))
    total = min(total, sum(sizes.values()))
    _check_minimum(groups, total, budget.minimum)
    if total == 0:
        return dict.fromkeys(groups, 0)
    border = masks.kth_largest(list(lifted.values()), total)
    counts, ties = {}, {}
    for name, part in lifted.items():
        counts[name] = int(np.count_nonzero(part > border))
        ties[name] = int(np.count_nonzero(part == border))
    # Which of the equal groups stay is drawn: here, how many of each weight.
    missing = total - sum(counts.values())
    drawn = rng.multivariate_hypergeometric(
        list(ties.values()), missing, method="marginals"
    )
    return {
        name: counts[name] + int(extra)
        for name, extra in zip(groups, drawn, strict=True)
    }


def uniform(groups, shapes, budget, rng):
    """The same sparsity in each weight."""
    del shapes, rng
    total = sum(scores.size for scores in groups.values())
    share = Fraction(budget.keep(total), total)
    return _to_counts(
        {name: share * s.size for name, s in groups.items()}, groups, budget
    )


def erk(groups, shapes, budget, rng):
    """Density in proportion to (sum of dimensions) / (their product).

    Erdos-Renyi-Kernel of RigL, Evci et al., 2020,
    https://arxiv.org/abs/1911.11134. Weights whose density would pass 1 stay
    dense, and the rest shares what is left.
    """
    del rng
    densities = {
        n: Fraction(sum(s), int(np.prod(s))) for n, s in shapes.items()
    }
    return _in_proportion(densities, groups, budget)


def er(groups, shapes, budget, rng):
    """Density in proportion to (inputs + outputs) / (inputs x outputs).

    The last two dimensions count, as in SET (Mocanu et al., 2018,
    https://arxiv.org/abs/1707.04780) and its extension to convolutions in
    RigL. Equal to ERK for matrices.
    """
    shapes = {name: shape[-2:] for name, shape in shapes.items()}
    return erk(groups, shapes, budget, rng)


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

    def by_table(groups, shapes, budget, rng):
        del shapes, rng
        chosen = {}
        for pattern, sparsity in table.items():
            found = weights.matching(pattern, groups)
            if not found:
                raise ValueError(lookup.unknown(pattern, groups, "weight"))
            for name in found:
                chosen.setdefault(name, sparsity)
        counts = {
            name: budget.keep(scores.size, chosen.get(name))
            for name, scores in groups.items()
        }
        return {
            name: min(max(k, budget.minimum), masks.candidates(groups[name]))
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


def _check_minimum(groups, total, minimum):
    if minimum == 0:
        return
    asked = sum(min(minimum, masks.candidates(s)) for s in groups.values())
    if asked > total:
        raise ValueError(
            f"`min_kept={minimum}` asks for {asked} groups in all, but only "
            f"{total} are to be kept. Lower `min_kept` or `sparsity`."
        )


def _with_minimum_first(scores, minimum, rng):
    """Lifts the best `minimum` groups above all others."""
    if minimum == 0:
        return scores
    count = min(minimum, masks.candidates(scores))
    return np.where(masks.top_k(scores, count, rng), np.inf, scores)


def _in_proportion(densities, groups, budget):
    """Scales densities to the budget, capped at all groups of a weight."""
    sizes = {name: masks.candidates(s) for name, s in groups.items()}
    total = budget.keep(sum(s.size for s in groups.values()))
    dense = set()
    while True:
        free = [name for name in groups if name not in dense]
        left = total - sum(sizes[name] for name in dense)
        raw = sum(densities[n] * groups[n].size for n in free)
        scale = Fraction(left) / raw if raw else Fraction(0)
        over = [
            n for n in free if scale * densities[n] * groups[n].size > sizes[n]
        ]
        if not over:
            break
        dense.update(over)
    targets = {
        n: Fraction(sizes[n])
        if n in dense
        else scale * densities[n] * groups[n].size
        for n in groups
    }
    return _to_counts(targets, groups, budget)


def _to_counts(targets, groups, budget):
    """Rounds real counts to integers whose sum is the budget's.

    Each is rounded by itself first. What that leaves over or short is taken
    from, or given to, the weights whose rounding was furthest off.
    """
    most = {name: masks.candidates(scores) for name, scores in groups.items()}
    least = {name: min(budget.minimum, n) for name, n in most.items()}
    total = budget.keep(sum(scores.size for scores in groups.values()))
    total = min(total, sum(most.values()))
    _check_minimum(groups, total, budget.minimum)
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
