"""The values of frozen weights during a learned selection."""

import math

import numpy as np

from kprune.pruning.granularity.base import matrix_axes
from kprune.runtime import lookup, seeds


def keep(array, fan, rng):
    """Returns the current values."""
    del fan, rng
    return array


def kaiming_normal(array, fan, rng):
    """Returns draws from N(0, 2 / fan)."""
    return rng.normal(0, math.sqrt(2 / fan), array.shape)


def signed_constant(array, fan, rng):
    """Returns sign(w) sqrt(2 / fan), as edge-popup."""
    return _signs(array, rng) * math.sqrt(2 / fan)


def signed_std(array, fan, rng):
    """Returns sign(w) std(w), as supermask."""
    del fan
    return _signs(array, rng) * array.std()


LAWS = {
    law.__name__: law
    for law in (keep, kaiming_normal, signed_constant, signed_std)
}


def frozen_values(weight, law, seed, share=1.0):
    """Returns the values, in float64, to freeze a weight at.

    Args:
        weight: A `kprune.masking.weights.Weight`.
        law: A name of `LAWS`.
        seed: Integer >= 0.
        share: Factor on the fan-in, the share of inputs that count.
    """
    draw = lookup.choose(law, LAWS, "value of `weights`")
    rng = seeds.stream(seed, "frozen", weight.name)
    array = np.array(weight.variable.value, np.float64)
    return draw(array, fan_in(weight) * share, rng)


def fan_in(weight):
    """Returns the number of entries of a weight that a unit sums over."""
    layout = weight.layout
    if weight.variable.name == "embeddings":  # Looked up, not summed over.
        return layout.shape[-1]
    _, units = matrix_axes(layout)
    return layout.size // math.prod(layout.view[axis] for axis in units)


def _signs(array, rng):
    drawn = rng.choice((-1, 1), array.shape)  # For zeros, which have no sign.
    return np.where(array == 0, drawn, np.sign(array))
