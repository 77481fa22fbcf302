"""Real numbers of groups made whole, with an exact sum."""

from fractions import Fraction


def kept_in_all(groups, sizes, budget):
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


def in_proportion(densities, groups, sizes, budget):
    """Scales densities to the budget, capped at all groups of a weight."""
    most = {name: scores.size for name, scores in groups.items()}
    total = kept_in_all(groups, sizes, budget)
    return to_counts(
        shared(total, densities, sizes, most), groups, sizes, budget
    )


def shared(total, densities, sizes, most):
    """Shares a number out to weights by density, capped at what they have.

    What a weight cannot take goes to the others.

    Args:
        total: The number to share out.
        densities: Dict from name to a number in proportion to the density.
        sizes: Dict from name to the number that a density of 1 stands for.
        most: Dict from the names that share to the largest number of each.

    Returns:
        Dict from each name of `most` to a Fraction.
    """
    raw = {name: densities[name] * sizes[name] for name in most}
    dense = set()
    while True:
        free = [name for name in most if name not in dense]
        left = total - sum(most[name] for name in dense)
        weight = sum(raw[name] for name in free)
        scale = Fraction(left) / weight if weight else Fraction(0)
        over = [name for name in free if scale * raw[name] > most[name]]
        if not over:
            break
        dense.update(over)
    return {
        name: Fraction(most[name]) if name in dense else scale * raw[name]
        for name in most
    }


def to_counts(targets, groups, sizes, budget):
    """Rounds real counts to integers whose sum is the budget's.

    Each is rounded by itself first. What that leaves over or short is taken
    from, or given to, the weights whose rounding was furthest off.
    """
    most = {name: scores.size for name, scores in groups.items()}
    least = {name: min(budget.minimum, n) for name, n in most.items()}
    total = kept_in_all(groups, sizes, budget)
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
