"""Smart ratios: allocates by depth alone.

Su et al., 2020, Sanity-checking pruning methods: Random tickets can win the
jackpot, https://arxiv.org/abs/2009.11094: random masks by these ratios are as
good as those of methods that look at data.
"""

from fractions import Fraction

from kprune.pruning.allocation.counts import (
    checked_allocation,
    kept_in_all,
    shared,
    to_counts,
)
from kprune.runtime import checks, lookup
from kprune.runtime.doors import checked

# From a layer's number to how densely it is kept, in proportion: `left` counts
# from the output, `depth` from the input, both from 1.
_CURVES = {
    "quadratic": lambda left, depth: left**2 + left,
    "linear": lambda left, depth: left,
    "cubic": lambda left, depth: left**3,
    "ascending": lambda left, depth: depth**2 + depth,
    "uniform": lambda left, depth: 1,
}


@checked(vgg=checks.boolean)
def smart_ratios(curve="quadratic", vgg=False, linear=0.3):
    """Makes an allocation that keeps less, the deeper a layer lies.

        density of layer l of L in proportion to (L - l + 1)^2 + (L - l + 1)

    Layers count from the input, convolutions and matrices alike. A
    convolution whose density would pass 1 stays dense, and those that follow
    share what is left.

    Args:
        curve: `"quadratic"`, as above; or, for the paper's ablations,
            `"linear"` (L - l + 1), `"cubic"` (its third power), `"ascending"`
            (l^2 + l) or `"uniform"`.
        vgg: Whether to divide by l^2 too, as the paper does for VGG.
        linear: Float in [0, 1], the density of each matrix, whatever the
            sparsity; or `None`, to let matrices share as convolutions do.
            They also do in a model that has no convolution, and where more
            than half of what is kept would be of matrices. They get more where
            convolutions cannot take the rest.

    Returns:
        An allocation.

    Example:

    >>> ratios = kprune.allocation.smart_ratios(vgg=True)
    >>> model = kprune.prune(model, "random", 0.9, allocation=ratios)
    """
    density = lookup.choose(curve, _CURVES, "curve of smart ratios")
    if linear is not None:
        checks.number("linear", linear, "[0, 1]", " or None")
        linear = Fraction(repr(float(linear)))

    def by_depth(groups, sizes, shapes, budget, rng):
        del rng
        densities = {}
        for depth, name in enumerate(groups, 1):
            densities[name] = Fraction(density(len(groups) - depth + 1, depth))
            if vgg:
                densities[name] /= depth**2
        most = {name: scores.size for name, scores in groups.items()}
        total = kept_in_all(groups, sizes, budget)
        fixed = {}
        if linear is not None:
            matrices = [name for name in groups if len(shapes[name]) == 2]
            fixed = _of_matrices(matrices, linear, total, sizes, most)
        free = {name: n for name, n in most.items() if name not in fixed}
        targets = shared(total - sum(fixed.values()), densities, sizes, free)
        return to_counts({**targets, **fixed}, groups, sizes, budget)

    return by_depth


@checked_allocation
def smart_ratio(groups, sizes, shapes, budget, rng):
    """Keeps less, the deeper a layer lies: `smart_ratios()`."""
    return smart_ratios()(groups, sizes, shapes, budget, rng)


def _of_matrices(names, density, total, sizes, most):
    """Returns how many of each matrix are kept, {} if they share as others."""
    fixed = {n: min(density * sizes[n], Fraction(most[n])) for n in names}
    if len(names) == len(most) or 2 * sum(fixed.values()) > total:
        return {}
    room = sum(n for name, n in most.items() if name not in fixed)
    if total - sum(fixed.values()) > room:
        ones, theirs = dict.fromkeys(names, 1), {n: most[n] for n in names}
        return shared(total - room, ones, sizes, theirs)
    return fixed
