"""Allocates by the shape of each weight."""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from kprune.masking.masks import Budget
from kprune.pruning.allocation.counts import (
    checked_allocation,
    in_proportion,
    kept_in_all,
)


@checked_allocation
def uniform(
    groups: dict[str, np.ndarray],
    sizes: dict[str, int],
    shapes: dict[str, Sequence[int]],
    budget: Budget,
    rng: np.random.Generator,
) -> dict[str, int]:
    """Prunes each weight to the same sparsity."""
    del shapes, rng
    return in_proportion(dict.fromkeys(sizes, 1), groups, sizes, budget)


@checked_allocation
def erk(
    groups: dict[str, np.ndarray],
    sizes: dict[str, int],
    shapes: dict[str, Sequence[int]],
    budget: Budget,
    rng: np.random.Generator,
) -> dict[str, int]:
    """Sets densities in proportion to (sum of dimensions) / (their product).

    Erdos-Renyi-Kernel of RigL, Evci et al., 2020,
    https://arxiv.org/abs/1911.11134. Weights whose density would exceed 1 stay
    dense, and the others share the remainder.
    """
    del rng
    densities = {n: Fraction(sum(s), math.prod(s)) for n, s in shapes.items()}
    return in_proportion(densities, groups, sizes, budget)


@checked_allocation
def er(
    groups: dict[str, np.ndarray],
    sizes: dict[str, int],
    shapes: dict[str, Sequence[int]],
    budget: Budget,
    rng: np.random.Generator,
) -> dict[str, int]:
    """Sets densities in proportion to (inputs + outputs) / (inputs x outputs).

    The last two dimensions count, as in SET (Mocanu et al., 2018,
    https://arxiv.org/abs/1707.04780) and its extension to convolutions in
    RigL. Equal to ERK for matrices.
    """
    shapes = {name: shape[-2:] for name, shape in shapes.items()}
    return erk(groups, sizes, shapes, budget, rng)


@checked_allocation
def balanced(
    groups: dict[str, np.ndarray],
    sizes: dict[str, int],
    shapes: dict[str, Sequence[int]],
    budget: Budget,
    rng: np.random.Generator,
) -> dict[str, int]:
    """Keeps the same number of groups in each weight, whatever its size.

    Gadhikar et al., 2023, https://arxiv.org/abs/2210.02412. A weight that is
    smaller than its share stays dense, and the others share the remainder.
    """
    del shapes, rng
    densities = {name: Fraction(1, size) for name, size in sizes.items()}
    return in_proportion(densities, groups, sizes, budget)


@checked_allocation
def pyramidal(
    groups: dict[str, np.ndarray],
    sizes: dict[str, int],
    shapes: dict[str, Sequence[int]],
    budget: Budget,
    rng: np.random.Generator,
) -> dict[str, int]:
    """Sets density p^l in the l-th weight from the input, l = 1, 2, ...

    Gadhikar et al., 2023, https://arxiv.org/abs/2210.02412. p in [0, 1] is
    chosen so that the sum meets the budget.
    """
    del shapes, rng
    base = _base(list(sizes.values()), kept_in_all(groups, sizes, budget))
    densities = {n: Fraction(base**i) for i, n in enumerate(sizes, 1)}
    return in_proportion(densities, groups, sizes, budget)


def _base(sizes, total):
    """Returns the p in [0, 1] with sum of size_l p^l = total, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):  # The sum grows with p; floats have 53 bits.
        p = (low + high) / 2
        if sum(size * p**i for i, size in enumerate(sizes, 1)) < total:
            low = p
        else:
            high = p
    return high
