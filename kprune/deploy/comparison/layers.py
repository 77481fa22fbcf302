"""Compares two models weight by weight."""

import dataclasses
import math

import numpy as np

from kprune.deploy.comparison import sizes
from kprune.masking import weights


@dataclasses.dataclass(frozen=True)
class LayerRow:
    """One weight of two models, by its name.

    Attributes:
        name: Name of the weight, as `"conv1/kernel"`.
        before, after: How many entries it has, or `None` if there is none.
        kept_before, kept_after: How many of these are not zero.
        multiply_adds_before, multiply_adds_after: Of one example, zeros
            included, or `None` if not known.
    """

    name: str
    before: int | None = None
    after: int | None = None
    kept_before: int | None = None
    kept_after: int | None = None
    multiply_adds_before: int | None = None
    multiply_adds_after: int | None = None


def rows(before, after, given):
    """Returns a tuple of `LayerRow` of two sides, of which a file has none, and
    what these are given: the weights of the one, then the other's alone."""
    one, other = (
        _measured(side.model, x)
        for side, x in zip((before, after), given, strict=True)
    )
    none = (None, None, None)
    found = []
    for name in dict.fromkeys([*one, *other]):
        both = zip(one.get(name, none), other.get(name, none), strict=True)
        found.append(LayerRow(name, *(x for pair in both for x in pair)))
    return tuple(found)


def _measured(model, x):
    """Returns (entries, entries that are not zero, multiply-adds) by weight."""
    if model is None:
        return {}
    costs = sizes.by_weight(model, x)
    return {
        weight.name: (
            math.prod(weight.variable.shape),
            int(np.count_nonzero(np.asarray(weight.variable))),
            costs[weight.name],
        )
        for weight in weights.find(model)
    }
