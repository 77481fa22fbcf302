"""Validates the inputs of models and of their builders."""

from typing import Any

import keras
import numpy as np

from kprune.models import initializers
from kprune.runtime import checks, fit_arguments, seeds


def image(input_shape, smallest=1):
    """Returns the input of a model of images; raises `ValueError` if height or
    width are less than `smallest`."""
    shape = _sizes(input_shape)
    fits = len(shape) == 3 and min(shape[:2]) >= smallest
    expected = "(height, width, channels), with height and width of at least "
    expected += f"{smallest} for this model"
    checks.require(fits, "input_shape", input_shape, expected)
    return keras.Input(shape, name="image")


def vector(input_shape):
    """Returns an input of any rank >= 1, and the flattened tensor."""
    shape = _sizes(input_shape)
    expected = "a sequence of positive integers"
    checks.require(shape, "input_shape", input_shape, expected)
    inputs = keras.Input(shape, name="input")
    return inputs, keras.layers.Flatten(name="flatten")(inputs)


def _initializer(name, value):
    """Returns the initializer of kernels if `initializers.get` accepts it."""
    # Only `fc` takes "fan_in_constant", and handles it itself.
    if not isinstance(value, str) or value != "fan_in_constant":
        with seeds.untouched():  # Keras draws a random seed for it.
            initializers.get(value)
    return value


def _name(name, value):
    """Returns the name of a model if Keras accepts it."""
    fits = isinstance(value, str) and "/" not in value
    return checks.require(fits, name, value, "a string without a slash")


# Checks of arguments that the functions that build models share.
KINDS = {
    "activation": fit_arguments.activation,
    "conv_bias": checks.boolean,
    "initializer": _initializer,
    "name": checks.optional(_name),
    "seed": checks.optional(checks.integer),
    "stable": checks.boolean,
}


def check_positive(**sizes):
    """Raises `ValueError` unless all arguments are positive integers."""
    for name, size in sizes.items():
        checks.integer(name, size, 1)


def sized(build, name, *sizes, classes=10, **defaults):
    """Returns a named function that builds one size of a network.

    Args:
        build: Function of (*sizes, classes, **options).
        name: String, the name of the function and, by default, its models.
        *sizes: First arguments of `build`.
        classes: Default of `classes`.
        **defaults: Defaults of the other arguments.
    """

    def builder(classes: int = classes, **options: Any) -> keras.Model:
        return build(*sizes, classes, **{"name": name, **defaults, **options})

    given = [*map(str, sizes), f"classes={classes}"]
    given += [f"{key}={value!r}" for key, value in defaults.items()]
    whole = f"`{build.__name__}({', '.join(given)})`"
    builder.__doc__ = f"Builds {whole}, with its other options."
    builder.__name__ = builder.__qualname__ = name
    builder.__module__ = build.__module__
    return builder


def _sizes(shape):
    """Returns a tuple of positive integers, empty if `shape` is invalid."""
    # Other iterables have no order, no end, or bytes that would pass for sizes.
    if not isinstance(shape, list | tuple | range | np.ndarray):
        return ()
    try:
        return tuple(int(checks.integer("size", n, 1)) for n in shape)
    except (TypeError, ValueError):
        return ()
