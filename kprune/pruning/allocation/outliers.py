"""OWL: layers with more outliers keep more (Yin et al., 2024)."""

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

from kprune.masking import weights
from kprune.masking.masks import Budget
from kprune.pruning.allocation.counts import (
    checked_allocation,
    in_proportion,
    kept_in_all,
)
from kprune.runtime import checks, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


@checked(
    multiple=checks.within("(0, inf)"),
    spread=checks.within("[0, 1]"),
    layers=checks.patterns,
    scores=checks.optional(checks.dict_of(checks.array, "arrays of scores")),
)
def outlier_weighed(
    multiple: float = 5,
    spread: float = 0.08,
    layers: str | Sequence[str] = (),
    scores: types.Scores | None = None,
) -> Callable[..., dict[str, int]]:
    """Returns an allocation by each layer's share of outliers.

        density of layer l = 1 - sparsity + 2 spread (r_l - mean of r)
        r_l = (D_l - min D) / (max D - min D)

    where D_l is the share of a layer's scores whose absolute value exceeds
    `multiple` times the layer's mean. The mean of r weights each layer by its
    size, so that the densities give the requested sparsity. Densities are
    clipped to [0, 1] and then scaled to fit. N:M fixes the sparsity of each
    tensor, so it has no effect there.

    Args:
        multiple: Number > 0, the paper's M. Defaults to 5.
        spread: Number in [0, 1], the paper's lambda: a layer's sparsity
            differs from the requested one by at most twice this number.
        layers: Patterns of weight names, such as `"block_1/.*"`. The weights
            that match a pattern form one layer; any other is its own layer.
        scores: Dict of the scores to find outliers in, by weight name, such
            as `kprune.score(model, "wanda", data=data)`, which the paper uses
            for all criteria. Defaults to the scores to rank.

    Returns:
        An allocation, a function.

    Example:

    >>> found = kprune.score(model, "magnitude")
    >>> owl = kprune.allocation.outlier_weighed(scores=found)
    >>> model = kprune.prune(model, "magnitude", 0.5, allocation=owl)
    """
    patterns = checks.patterns("layers", layers)

    def by_outliers(groups, sizes, shapes, budget, rng):
        del shapes, rng
        looked_at = groups if scores is None else _scores_of(groups, scores)
        shares = {}
        for names in _layers(groups, patterns):
            found = _share_of_outliers([looked_at[n] for n in names], multiple)
            shares.update(dict.fromkeys(names, found))
        total = kept_in_all(groups, sizes, budget)
        density = Fraction(total, sum(sizes.values()))
        densities = _around(density, shares, sizes, Fraction(spread))
        if not any(densities.values()):
            densities = dict.fromkeys(sizes, 1)
        return in_proportion(densities, groups, sizes, budget)

    return by_outliers


@checked_allocation
def owl(
    groups: dict[str, np.ndarray],
    sizes: dict[str, int],
    shapes: dict[str, Sequence[int]],
    budget: Budget,
    rng: np.random.Generator,
) -> dict[str, int]:
    """Keeps more of weights whose scores have outliers: `outlier_weighed()`."""
    return outlier_weighed()(groups, sizes, shapes, budget, rng)


def _around(density, shares, sizes, spread):
    """Returns densities whose mean over all groups is `density`."""
    least, most = min(shares.values()), max(shares.values())
    width = most - least or 1
    places = {name: (share - least) / width for name, share in shares.items()}
    whole = sum(sizes.values())
    mean = sum(places[name] * size for name, size in sizes.items()) / whole
    return {
        name: min(max(density + 2 * spread * (place - mean), 0), 1)
        for name, place in places.items()
    }


def _share_of_outliers(parts, multiple):
    """Returns the share of entries above `multiple` times the mean size."""
    found = np.abs(np.concatenate([np.ravel(part) for part in parts]))
    if not found.size:
        return Fraction(0)
    above = int(np.sum(found > multiple * found.mean(dtype=np.float64)))
    return Fraction(above, found.size)


def _layers(groups, patterns):
    """Returns lists of names, one list per layer."""
    found, left = [], list(groups)
    for pattern in patterns:
        names = weights.matched(pattern, groups, "weight in `layers`")
        names = [name for name in names if name in left]
        left = [name for name in left if name not in names]
        found += [names] if names else []
    return found + [[name] for name in left]


def _scores_of(groups, scores):
    missing = sorted(set(groups) - set(scores))
    if missing:
        raise ValueError(
            "Expected `scores` of all weights that are pruned, by name. "
            f"Missing: {missing}"
        )
    return scores


METHOD = Method(
    "outlier_weighed",
    title="OWL",
    call="kprune.allocation.outlier_weighed()",
    paper="Yin et al., 2024",
    link="https://arxiv.org/abs/2310.05175",
    test="tests/pruning/test_outliers.py::test_owl_by_hand",
    deviation="a layer is one weight tensor, unless `layers` says which are "
    "one block; outliers of the scores that are ranked, unless `scores` says "
    "which; the mean counts layers by their size, so that the sum is exact",
)
