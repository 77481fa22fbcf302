"""Measures how far masks of methods, seeds and data sets agree."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from kprune.masking import masks
from kprune.runtime import checks
from kprune.runtime.types import Masks


@dataclasses.dataclass(frozen=True, eq=False)
class Overlaps:
    """Pairwise Jaccard indices of several dicts of masks.

    Args:
        names: Tuple of strings, the names of the rows and columns.
        matrix: Array of shape (names, names), in [0, 1], over all weights
            together that at least one dict of masks prunes.
        weights: Dict from weight name to the matrix of that weight alone.
    """

    names: tuple[str, ...]
    matrix: np.ndarray
    weights: dict[str, np.ndarray]

    def __str__(self) -> str:
        width = max(len(name) for name in self.names)
        numbers = range(1, len(self.names) + 1)
        lines = [" " * (width + 4) + "".join(f"{n:>6}" for n in numbers)]
        for n, name, row in zip(numbers, self.names, self.matrix, strict=True):
            cells = "".join(f"{value:6.2f}" for value in row)
            lines.append(f"{n:>2}  {name:<{width}}{cells}")
        return "\n".join(lines)


def overlaps(masks_by_name: Mapping[str, Masks]) -> Overlaps:
    """Computes how far masks agree, pair by pair.

        overlap = |both keep| / |either keeps|

    Weights that all of them keep entirely are left out of the total. The
    overlap of equal masks is 1; that of two random masks that keep the shares
    p and q is about p q / (p + q - p q).

    Args:
        masks_by_name: Dict from a name to a dict of masks, as
            `kprune.get_masks` returns it, all for the same weights.

    Returns:
        An `Overlaps`.

    Raises:
        ValueError: If the dict is empty, or the masks differ in the names or
            shapes of their weights.

    Example:

    >>> pruned = {
    ...     name: kprune.get_masks(kprune.prune(model, name, 0.9))
    ...     for name in ("magnitude", "random")
    ... }
    >>> kprune.analysis.overlaps(pruned).matrix.shape
    (2, 2)
    """
    some = isinstance(masks_by_name, dict) and masks_by_name
    expected = "a dict from names to dicts of masks"
    checks.require(some, "masks_by_name", masks_by_name, expected)
    for name, one in masks_by_name.items():
        checks.masks(f"masks_by_name[{name!r}]", one)
    found = {
        name: {n: np.asarray(m, bool) for n, m in one.items()}
        for name, one in masks_by_name.items()
    }
    first, *others = found
    for name in others:
        if differ := differing(found[first], found[name]):
            raise ValueError(
                "Expected masks of the same weights, of the same shapes. "
                f"{first!r} and {name!r} differ in: {differ}"
            )
    every = list(found.values())
    # A weight that all keep entirely was excluded from pruning: it would
    # raise the overlap and tell nothing about the methods.
    pruned = [n for n in found[first] if not all(o[n].all() for o in every)]
    return Overlaps(
        tuple(map(str, found)),
        _matrix([{n: one[n] for n in pruned or one} for one in every]),
        {n: _matrix([{n: one[n]} for one in every]) for n in found[first]},
    )


def _matrix(every):
    return np.array(
        [[masks.overlap(one, other) for other in every] for one in every]
    )


def differing(one, other):
    """Returns the names that are missing or of another shape in one dict."""
    first, second = (
        {(name, tuple(array.shape)) for name, array in part.items()}
        for part in (one, other)
    )
    return sorted({name for name, _ in first ^ second})
