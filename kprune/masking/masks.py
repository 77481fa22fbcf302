"""Dicts of masks: exact counts, selection, save and load."""

import dataclasses
import functools
import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import tensorflow as tf

from kprune.masking import selection
from kprune.runtime import array_files, checks, files, paths
from kprune.runtime.doors import checked
from kprune.runtime.types import ArrayLike, Masks, Path

_NUMBERS = functools.partial(
    checks.array, expected="an array of scores, numbers"
)
_WHOLE = checks.of_class(numbers.Integral, "an integer")
_GENERATOR = checks.of_class(np.random.Generator, "a numpy.random.Generator")
COUNTS = {
    "round": lambda kept, total: round(kept),
    "floor_keep": lambda kept, total: math.floor(kept),
    "ceil_keep": lambda kept, total: math.ceil(kept),
    "floor_remove": lambda kept, total: total - math.floor(total - kept),
}

_RULE = checks.one_of(*COUNTS)


@checked(total=checks.integer, sparsity=checks.within("[0, 1]"), rule=_RULE)
def count_kept(
    total: int, sparsity: float | Fraction, rule: str = "round"
) -> int:
    """Returns how many of `total` entries are kept at a sparsity.

    k = round((1 - sparsity) total), in rational arithmetic on the decimal
    that the user wrote: 1 - 0.98 is 1/50 here, not 0.020000000000000018. A
    half rounds to the even neighbour.

    Args:
        total: Integer >= 0.
        sparsity: Number in [0, 1].
        rule: `"round"`, or, to match a paper's released code to the last
            weight, `"floor_keep"` (FORCE), `"ceil_keep"` (ProsPr) or
            `"floor_remove"` (SynFlow). Defaults to `"round"`.
    """
    if isinstance(sparsity, float | np.floating):
        sparsity = Fraction(repr(float(sparsity)))
    return COUNTS[rule]((1 - Fraction(sparsity)) * total, total)


@checked(
    sparsity=checks.optional(checks.within("[0, 1]")),
    schedule=checks.of_function(2, "(progress, final)"),
    progress=checks.within("[0, 1]"),
    minimum=checks.optional(checks.integer),
    rule=_RULE,
)
@dataclasses.dataclass(frozen=True)
class Budget:
    """The number of groups that one round of pruning may keep.

    Args:
        sparsity: The final sparsity, in [0, 1].
        schedule: Function of (progress, final) that returns the current
            sparsity.
        progress: Share of the rounds done, a Fraction in (0, 1].
        minimum: The least number of groups that each weight keeps. `None`
            uses the granularity's minimum, as far as the budget allows.
        rule: How a count is rounded (see `count_kept`). Defaults to
            `"round"`.
    """

    sparsity: float
    schedule: Callable
    progress: Fraction
    minimum: int | None = None
    rule: str = "round"

    @checked(
        total=checks.integer, sparsity=checks.optional(checks.within("[0, 1]"))
    )
    def keep(self, total: int, sparsity: float | None = None) -> int:
        """Returns how many of `total` groups this round keeps on the way to a
        final sparsity, which defaults to the budget's."""
        final = self.sparsity if sparsity is None else sparsity
        return count_kept(total, self.now(final), self.rule)

    def now(self, final: float) -> float:
        """Returns the schedule's current sparsity on the way to `final`, a
        number in [0, 1]."""
        if self.progress >= 1:
            return final
        now = self.schedule(float(self.progress), final)
        why = ", as the schedule gives it"
        return min(float(checks.number("schedule", now, "[0, 1]", why)), final)


@checked(scores=_NUMBERS, k=_WHOLE, rng=_GENERATOR)
def top_k(scores: ArrayLike, k: int, rng: np.random.Generator) -> np.ndarray:
    """Marks exactly the k highest scores.

    Ties at the border are broken by `rng`, not by position: many weights share
    the score zero, and the first rows of the first layer must not win for
    being first. A comparison with a threshold would keep all of them.

    Args:
        scores: Array of any shape.
        k: Integer from 0 to the number of scores.
        rng: A `numpy.random.Generator`, for ties.

    Returns:
        Boolean array of the shape of `scores`, with k True entries.

    Raises:
        ValueError: If a score is NaN or k exceeds their number.
    """
    flat = np.ravel(scores)
    if not 0 <= k <= flat.size:
        raise ValueError(
            f"Cannot keep {k} of {flat.size} scores. Expected `k` from 0 up "
            "to their number."
        )
    _refuse_nan(flat)
    return selection.top_k(flat, k, rng).reshape(np.shape(scores))


@checked(
    parts=checks.sequence_of(_NUMBERS, "arrays of scores"), k=checks.at_least(1)
)
def kth_largest(parts: Sequence[Any], k: int) -> float:
    """Returns the k-th largest of the scores in several arrays, k >= 1.

    Raises `ValueError` if a score is NaN or k exceeds their number.
    """
    parts = [np.ravel(part) for part in parts]
    size = sum(part.size for part in parts)
    checks.require(k <= size, "k", k, f"an integer <= {size}, of the scores")
    for part in parts:
        _refuse_nan(part)
    return selection.kth_largest(parts, k)


def _refuse_nan(flat):
    if flat.size and np.isnan(flat.min()):  # NaN if any entry is.
        raise ValueError("Scores hold NaN, which cannot be ranked.")


@checked(weights=checks.dict_of(checks.array, "arrays"))
def apply(
    masks: Masks, weights: Mapping[str, ArrayLike]
) -> dict[str, ArrayLike]:
    """Returns a dict of the weights with pruned entries set to zero.

    Weights that keep all entries are returned as they are, others as tensors.

    Raises:
        ValueError: If a weight has no mask of its shape.
    """
    names = {
        name
        for name, w in weights.items()
        if name not in masks or np.shape(masks[name]) != np.shape(w)
    }
    if names:
        raise ValueError(
            "Expected a mask for each of the weights, of its shape. Received "
            f"none that fits: {sorted(names)}"
        )
    return {
        name: w
        if np.all(masks[name])
        else tf.where(masks[name], w, tf.zeros_like(w))
        for name, w in weights.items()
    }


@checked(one=checks.masks, other=checks.masks)
def overlap(one: Masks, other: Masks) -> float:
    """Returns the Jaccard index of two dicts of masks, in [0, 1].

    |both kept| / |either kept|, over all weights together; 1 when equal.
    """
    one, other = _alike(one, other)
    both = sum(int(np.count_nonzero(one[n] & other[n])) for n in one)
    either = sum(int(np.count_nonzero(one[n] | other[n])) for n in one)
    return both / either if either else 1.0


@checked(one=checks.masks, other=checks.masks)
def hamming(one: Masks, other: Masks) -> int:
    """Returns the number of entries in which two dicts of masks differ."""
    one, other = _alike(one, other)
    return sum(int(np.count_nonzero(one[n] != other[n])) for n in one)


def _alike(*several):
    """Returns dicts of masks as boolean arrays; raises `ValueError` if their
    names or shapes differ."""
    found = [
        {name: np.asarray(mask, bool) for name, mask in masks.items()}
        for masks in several
    ]
    first, second = (
        {(name, mask.shape) for name, mask in masks.items()} for masks in found
    )
    if first != second:
        differ = sorted({name for name, _ in first ^ second})
        raise ValueError(
            "Expected two dicts of masks of the same weights. They differ in: "
            f"{differ}"
        )
    return found


@checked(path=paths.file)
def save(masks: Masks, path: Path) -> None:
    """Writes a dict of masks to an .npz file, one bit per entry.

    Args:
        masks: Dict from weight name to boolean array.
        path: File path. An existing file is replaced atomically.
    """
    arrays = {}
    for name, mask in masks.items():
        arrays[f"bits/{name}"] = np.packbits(np.asarray(mask, bool))
        arrays[f"shape/{name}"] = np.asarray(np.shape(mask), np.int64)
    files.write_arrays(path, arrays)


@checked(path=paths.file, max_bytes=checks.optional(checks.at_least(1)))
def load(path: Path, max_bytes: int | None = None) -> dict[str, np.ndarray]:
    """Reads a dict of masks that `save` wrote.

    The file may be untrusted: see `SECURITY.md`.

    Args:
        path: File path.
        max_bytes: Integer, the most memory in bytes that the masks may take.
            Defaults to 256 MiB or 64 times the file's size, whichever is more.

    Returns:
        Dict from weight name to boolean array.

    Raises:
        ValueError: If the file is damaged or not a file of masks.
    """
    with array_files.reading(path, max_bytes, growth=8) as arrays:
        masks = {}
        for name in array_files.parts(arrays, "masks", ("bits", "shape")):
            shape = array_files.shape(arrays[f"shape/{name}"])
            bits = arrays[f"bits/{name}"]
            masks[name] = array_files.unpacked(bits, shape)
    return masks
