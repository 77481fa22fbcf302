"""Compares two models weight by weight."""

import dataclasses
import math

import numpy as np

from kprune.deploy.comparison import sizes
from kprune.masking import weights


@dataclasses.dataclass(frozen=True)
class LayerRow:
    """One weight in two models.

    Attributes:
        name: Name of the weight, e.g. `"conv1/kernel"`.
        before, after: Number of entries, or `None` if a model lacks it.
        kept_before, kept_after: Number of nonzero entries.
        multiply_adds_before, multiply_adds_after: Multiply-adds per example,
            zeros included, or `None` if unknown.
    """

    name: str
    before: int | None = None
    after: int | None = None
    kept_before: int | None = None
    kept_after: int | None = None
    multiply_adds_before: int | None = None
    multiply_adds_after: int | None = None


def rows(before, after, given):
    """Returns a tuple of `LayerRow`: the weights of `before`, then those of
    `after` only. A file that is not a Keras model has none.

    Args:
        before, after: The sides.
        given: Pair of their inputs.
    """
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
    """Returns (entries, nonzero entries, multiply-adds) by weight name."""
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
