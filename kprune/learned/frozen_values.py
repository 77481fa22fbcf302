"""The values of frozen weights during a learned selection."""

import math

import numpy as np

from kprune.pruning.granularity.base import matrix_axes
from kprune.runtime import lookup, seeds


def keep(array, fan, rng):
    """The values that the model has."""
    del fan, rng
    return array


def kaiming_normal(array, fan, rng):
    """Draws from N(0, 2 / fan)."""
    return rng.normal(0, math.sqrt(2 / fan), array.shape)


def signed_constant(array, fan, rng):
    """sign(w) sqrt(2 / fan), of edge-popup."""
    return _signs(array, rng) * math.sqrt(2 / fan)


def signed_std(array, fan, rng):
    """sign(w) std(w), of supermask."""
    del fan
    return _signs(array, rng) * array.std()


LAWS = {
    law.__name__: law
    for law in (keep, kaiming_normal, signed_constant, signed_std)
}


def frozen_values(weight, law, seed, share=1.0):
    """Returns the values, in float64, to freeze a weight at by a law of `LAWS`,
    which reckons with a share of a unit's inputs."""
    draw = lookup.choose(law, LAWS, "value of `weights`")
    rng = seeds.stream(seed, "frozen", weight.name)
    array = np.array(weight.variable.value, np.float64)
    return draw(array, fan_in(weight) * share, rng)


def fan_in(weight):
    """Returns how many entries of a weight a unit sums over, an integer."""
    layout = weight.layout
    if weight.variable.name == "embeddings":  # Which are looked up.
        return layout.shape[-1]
    _, units = matrix_axes(layout)
    return layout.size // math.prod(layout.view[axis] for axis in units)


def _signs(array, rng):
    drawn = rng.choice((-1, 1), array.shape)  # A weight of 0 has no sign.
    return np.where(array == 0, drawn, np.sign(array))
