"""Dicts of masks: exact counts, selection, save and load."""

import dataclasses
import functools
import math
import numbers
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import tensorflow as tf

from kprune.masking import selection
from kprune.runtime import array_files, checks, files, paths
from kprune.runtime.doors import checked

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
def count_kept(total, sparsity, rule="round"):
    """Returns how many of `total` stay at a sparsity, as an exact integer.

    k = round((1 - sparsity) total), in rational arithmetic on the decimal
    that the user wrote: 1 - 0.98 is 1/50 here, not 0.020000000000000018. A
    half rounds to the even neighbour.

    Args:
        total: Integer.
        sparsity: Number in [0, 1].
        rule: `"round"`, or, to replicate a released code to the last weight,
            `"floor_keep"` (FORCE), `"ceil_keep"` (ProsPr) or `"floor_remove"`
            (SynFlow).
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
    """How many groups one round of pruning may keep.

    Args:
        sparsity: The final sparsity asked for.
        schedule: Function of (progress, final) to the sparsity now.
        progress: Share of the rounds done, a Fraction in (0, 1].
        minimum: Groups that each weight keeps at least. `None` for what the
            granularity says, as far as so many are kept.
        rule: How a count is made whole (see `count_kept`).
    """

    sparsity: float
    schedule: Callable
    progress: Fraction
    minimum: int | None = None
    rule: str = "round"

    @checked(
        total=checks.integer, sparsity=checks.optional(checks.within("[0, 1]"))
    )
    def keep(self, total, sparsity=None):
        """Returns the number to keep of `total`, on the way to a sparsity
        (by default the one asked for)."""
        final = self.sparsity if sparsity is None else sparsity
        return count_kept(total, self.now(final), self.rule)

    def now(self, final):
        """Returns how far the schedule is on the way to a number in [0, 1]."""
        if self.progress >= 1:
            return final
        now = self.schedule(float(self.progress), final)
        why = ", as the schedule gives it"
        return min(float(checks.number("schedule", now, "[0, 1]", why)), final)


@checked(scores=_NUMBERS, k=_WHOLE, rng=_GENERATOR)
def top_k(scores, k, rng):
    """Marks exactly the k highest scores.

    Equal scores at the border are drawn by `rng`, not by their position: many
    weights share the score zero, and the first rows of the first layer must
    not win for being first. A threshold is never compared with, which would
    keep all of them.

    Args:
        scores: Array of any shape.
        k: How many to mark.
        rng: A `numpy.random.Generator`, for ties.

    Returns:
        Boolean array of the shape of `scores`, with k True.

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
def kth_largest(parts, k):
    """Returns the k-th largest of the scores in several flat arrays, k >= 1;
    none may be NaN."""
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
def apply(masks, weights):
    """Returns the weights, a dict of tensors, with pruned entries at zero."""
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
def overlap(one, other):
    """Returns the Jaccard index of two dicts of masks.

    |both kept| / |either kept|, over all weights together; 1 when equal.
    """
    one, other = _alike(one, other)
    both = sum(int(np.count_nonzero(one[n] & other[n])) for n in one)
    either = sum(int(np.count_nonzero(one[n] | other[n])) for n in one)
    return both / either if either else 1.0


@checked(one=checks.masks, other=checks.masks)
def hamming(one, other):
    """Returns in how many entries two dicts of masks differ."""
    one, other = _alike(one, other)
    return sum(int(np.count_nonzero(one[n] != other[n])) for n in one)


def _alike(*several):
    """Returns dicts of masks as booleans, of the same names and shapes."""
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
def save(masks, path):
    """Writes a dict of masks to an .npz file, one bit per entry.

    Args:
        masks: Dict from weight name to boolean array.
        path: File path. It is replaced as a whole or not at all.
    """
    arrays = {}
    for name, mask in masks.items():
        arrays[f"bits/{name}"] = np.packbits(np.asarray(mask, bool))
        arrays[f"shape/{name}"] = np.asarray(np.shape(mask), np.int64)
    files.write_arrays(path, arrays)


@checked(path=paths.file, max_bytes=checks.optional(checks.at_least(1)))
def load(path, max_bytes=None):
    """Reads a dict of masks that `save` wrote.

    The file may come from anybody: see `SECURITY.md`.

    Args:
        path: File path.
        max_bytes: Integer, the most memory that the masks may take. Defaults
            to 256 MiB or 64 times the file, whichever is more.

    Raises:
        ValueError: If the file is something else, or damaged.
    """
    with array_files.reading(path, max_bytes, growth=8) as arrays:
        masks = {}
        for name in array_files.parts(arrays, "masks", ("bits", "shape")):
            shape = array_files.shape(arrays[f"shape/{name}"])
            bits = arrays[f"bits/{name}"]
            masks[name] = array_files.unpacked(bits, shape)
    return masks
