"""The share each level removes, in exact arithmetic."""

from fractions import Fraction

import keras
import numpy as np

from kprune.masking import weights
from kprune.runtime import checks, types
from kprune.runtime.doors import checked

_CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2D,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3D,
    keras.layers.Conv3DTranspose,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
)


@checked(dense=checks.within("(0, 1)"), convolution=checks.within("(0, 1)"))
def layer_fractions(
    model: types.Model, dense: float = 0.2, convolution: float = 0.1
) -> dict[str, float]:
    """Returns the original paper's fractions, for `imp(fraction=)`.

    Each layer is pruned by itself: a level removes a fifth of the remaining
    weights of a dense layer, a tenth of a convolution (0.15 in Conv-6), and
    half as much of the output layer.
    Frankle & Carbin, 2019, https://arxiv.org/abs/1803.03635.

    Args:
        model: A built Keras model.
        dense: Float in (0, 1), for layers that are not convolutions. Defaults
            to 0.2.
        convolution: Float in (0, 1), for convolutions. Defaults to 0.1.

    Returns:
        Dict from weight name to fraction.

    Example:

    >>> model = kprune.models.lenet_300_100()
    >>> kprune.tickets.layer_fractions(model)
    {'fc1/kernel': 0.2, 'fc2/kernel': 0.2, 'fc3/kernel': 0.1}
    """
    check(dense, "dense")
    check(convolution, "convolution")
    outputs = weights.output_names(model)
    found = {}
    for name, weight in weights.prunable(model).items():
        folds = isinstance(weight.layer, _CONVOLUTIONS)
        fraction = convolution if folds else dense
        found[name] = fraction / 2 if name in outputs else fraction
    return found


def check(fraction, name="fraction"):
    """Raises `ValueError` unless a fraction is a number in (0, 1)."""
    why = ", the share that a level removes of what is left"
    checks.number(name, fraction, "(0, 1)", why)


def check_table(table, names):
    """Raises `ValueError` unless a dict maps weights, layers or patterns that
    match `names` to fractions."""
    if not table:
        raise ValueError("Expected `fraction` to name weights. Received: {}")
    for pattern, fraction in table.items():
        weights.matched(pattern, names, "weight")
        check(fraction, f"fraction[{pattern!r}]")


def sparsity(fraction, level):
    """Returns the exact sparsity after r levels, 1 - (1 - p)^r.

    A float p is read as the decimal that it prints as.
    """
    if isinstance(fraction, float | np.floating):
        fraction = Fraction(repr(float(fraction)))
    return 1 - (1 - Fraction(fraction)) ** level


def axes(fraction, allocation, level):
    """Returns the sparsity and the allocation that a level prunes with.

    Weights that a dict of fractions does not name are not pruned.
    """
    if not isinstance(fraction, dict):
        return sparsity(fraction, level), allocation
    table = {name: sparsity(p, level) for name, p in fraction.items()}
    return Fraction(0), table
