"""Verifies on random inputs that two models compute the same."""

import keras
import numpy as np

from kprune.masking import made_up, precision, wrapping
from kprune.runtime import keras_internals, seeds


def check(model, small):
    """Raises `RuntimeError` unless a smaller model has the model's outputs.

    If the outputs differ by more than 1e-5 of the largest, they are computed
    again in float64, to distinguish rounding from errors.
    """
    try:
        x, expected = made_up.taken(model, examples=4)
    except ValueError as error:
        raise RuntimeError(
            f"{error} A smaller model therefore cannot be verified."
        ) from error
    if _error(expected, made_up.outputs(small, x)) <= made_up.TOLERANCE:
        return
    x = keras.tree.map_structure(_widened, x)
    expected, found = (
        made_up.outputs(precision.copy_in(one, "float64")[0], x)
        for one in (wrapping.strip(model), small)
    )
    error = _error(expected, found)  # type: ignore[misc]
    if not (error <= made_up.TOLERANCE):  # NaN fails too.
        raise RuntimeError(
            f"The smaller model of {model.name!r} does not compute the same: "
            f"on random inputs its outputs differ by {error:.2g} of the "
            f"largest. Expected at most {made_up.TOLERANCE:g}. The model is "
            "left as it was."
        )


def check_layer(view, layer, small, arguments):
    """Raises `RuntimeError` unless a smaller layer has a layer's outputs.

    Args:
        view: A `weights.View` of the layer's model.
        layer: A layer of the model.
        small: The smaller layer.
        arguments: Symbolic (args, kwargs) of a call, without open dimensions.
    """
    args, kwargs = _made_up(layer, arguments)
    with wrapping.masked(view):
        expected = keras_internals.infer(layer, *args, **kwargs)
    found = keras_internals.infer(small, *args, **kwargs)
    expected, found = (
        [np.asarray(x, "float64") for x in keras.tree.flatten(one)]
        for one in (expected, found)
    )
    if not (_error(expected, found) <= made_up.TOLERANCE):
        raise RuntimeError(f"The smaller {layer.name!r} gives other outputs.")


def call_of(view, layer, arguments):
    """Returns the first argument and the outputs of a call on random inputs.

    Args:
        view, layer, arguments: As for `check_layer`.
    """
    args, kwargs = _made_up(layer, arguments)
    with wrapping.masked(view):
        outputs = keras_internals.infer(layer, *args, **kwargs)
    return args[0] if args else next(iter(kwargs.values())), outputs


def _made_up(layer, arguments):
    rng = seeds.stream(0, "made-up inputs")
    return keras_internals.random_inputs(layer, arguments, rng, 2, 2)


def _error(expected, found):
    """Returns the relative difference of outputs, NaN if `expected` is not
    finite."""
    numbers = (z for z in expected if z.dtype.kind == "f")
    finite = all(np.isfinite(z).all() for z in numbers)
    return made_up.difference(expected, found) if finite else np.nan


def _widened(x):
    dtype = keras.backend.standardize_dtype(x.dtype)
    wide = keras.backend.is_float_dtype(dtype)
    return keras.ops.cast(x, "float64") if wide else x
