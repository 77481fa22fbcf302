"""Smart ratios: allocates by depth alone.

Su et al., 2020, Sanity-checking pruning methods: Random tickets can win the
jackpot, https://arxiv.org/abs/2009.11094: random masks by these ratios are as
accurate as those of methods that read data.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

from kprune.masking.masks import Budget
from kprune.pruning.allocation.counts import (
    checked_allocation,
    kept_in_all,
    shared,
    to_counts,
)
from kprune.runtime import checks, lookup
from kprune.runtime.doors import checked

# Relative density of a layer by its number: `left` counts from the output,
# `depth` from the input, both from 1.
_CURVES = {
    "quadratic": lambda left, depth: left**2 + left,
    "linear": lambda left, depth: left,
    "cubic": lambda left, depth: left**3,
    "ascending": lambda left, depth: depth**2 + depth,
    "uniform": lambda left, depth: 1,
}


@checked(vgg=checks.boolean)
def smart_ratios(
    curve: str = "quadratic", vgg: bool = False, linear: float | None = 0.3
) -> Callable[..., dict[str, int]]:
    """Returns an allocation that prunes deeper layers more.

        density of layer l of L in proportion to (L - l + 1)^2 + (L - l + 1)

    Layers count from the input, convolutions and matrices alike. A convolution
    whose density would exceed 1 stays dense, and the others share the
    remainder.

    Args:
        curve: `"quadratic"` (default), as above; or, for the paper's
            ablations, `"linear"` (L - l + 1), `"cubic"` (its third power),
            `"ascending"` (l^2 + l) or `"uniform"`.
        vgg: Whether to divide by l^2 too, as the paper does for VGG.
        linear: Float in [0, 1], the density of each matrix, whatever the
            sparsity; or `None`, to treat matrices as convolutions. They are
            also treated so in a model without convolutions, and where matrices
            would make up more than half of the kept weights. They keep more
            where convolutions cannot keep the rest.

    Returns:
        An allocation, a function.

    Example:

    >>> ratios = kprune.allocation.smart_ratios(vgg=True)
    >>> model = kprune.prune(model, "random", 0.9, allocation=ratios)
    """
    density = lookup.choose(curve, _CURVES, "curve of smart ratios")
    if linear is not None:
        checks.number("linear", linear, "[0, 1]", " or None")
        linear = Fraction(repr(float(linear)))  # type: ignore[assignment]

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
def smart_ratio(
    groups: dict[str, np.ndarray],
    sizes: dict[str, int],
    shapes: dict[str, Sequence[int]],
    budget: Budget,
    rng: np.random.Generator,
) -> dict[str, int]:
    """Prunes deeper layers more: `smart_ratios()`."""
    return smart_ratios()(groups, sizes, shapes, budget, rng)


def _of_matrices(names, density, total, sizes, most):
    """Returns how many weights each matrix keeps.

    Returns {} if matrices are to be treated as convolutions.
    """
    fixed = {n: min(density * sizes[n], Fraction(most[n])) for n in names}
    if len(names) == len(most) or 2 * sum(fixed.values()) > total:
        return {}
    room = sum(n for name, n in most.items() if name not in fixed)
    if total - sum(fixed.values()) > room:
        ones, theirs = dict.fromkeys(names, 1), {n: most[n] for n in names}
        return shared(total - room, ones, sizes, theirs)
    return fixed
