"""Allocates by the shape of each weight."""

import math
from fractions import Fraction

from kprune.pruning.allocation.counts import checked_allocation, in_proportion


@checked_allocation
def uniform(groups, sizes, shapes, budget, rng):
    """The same sparsity in each weight."""
    del shapes, rng
    return in_proportion(dict.fromkeys(sizes, 1), groups, sizes, budget)


@checked_allocation
def erk(groups, sizes, shapes, budget, rng):
    """Density in proportion to (sum of dimensions) / (their product).

    Erdos-Renyi-Kernel of RigL, Evci et al., 2020,
    https://arxiv.org/abs/1911.11134. Weights whose density would pass 1 stay
    dense, and the rest shares what is left.
    """
    del rng
    densities = {n: Fraction(sum(s), math.prod(s)) for n, s in shapes.items()}
    return in_proportion(densities, groups, sizes, budget)


@checked_allocation
def er(groups, sizes, shapes, budget, rng):
    """Density in proportion to (inputs + outputs) / (inputs x outputs).

    The last two dimensions count, as in SET (Mocanu et al., 2018,
    https://arxiv.org/abs/1707.04780) and its extension to convolutions in
    RigL. Equal to ERK for matrices.
    """
    shapes = {name: shape[-2:] for name, shape in shapes.items()}
    return erk(groups, sizes, shapes, budget, rng)
