"""Validates the inputs of models and of their builders."""

import keras
import numpy as np

from kprune.models import initializers
from kprune.runtime import checks, fit_arguments, seeds


def image(input_shape, smallest=1):
    """Returns the input of a model of images, whose height and width it takes
    from `smallest` on."""
    shape = _sizes(input_shape)
    fits = len(shape) == 3 and min(shape[:2]) >= smallest
    expected = "(height, width, channels), with height and width of at least "
    expected += f"{smallest} for this model"
    checks.require(fits, "input_shape", input_shape, expected)
    return keras.Input(shape, name="image")


def vector(input_shape):
    """Returns the input of a model that flattens it, and the flat tensor."""
    shape = _sizes(input_shape)
    expected = "a sequence of positive integers"
    checks.require(shape, "input_shape", input_shape, expected)
    inputs = keras.Input(shape, name="input")
    return inputs, keras.layers.Flatten(name="flatten")(inputs)


def _initializer(name, value):
    """Returns the initializer of the kernels of a model, which `get` knows."""
    if not isinstance(value, str) or value != "fan_in_constant":  # Of `fc`.
        with seeds.untouched():  # Keras draws a seed for it.
            initializers.get(value)
    return value


def _name(name, value):
    """Returns the name of a model as Keras takes it."""
    fits = isinstance(value, str) and "/" not in value
    return checks.require(fits, name, value, "a string without a slash")


# Of the functions that build models.
KINDS = {
    "activation": fit_arguments.activation,
    "conv_bias": checks.boolean,
    "initializer": _initializer,
    "name": checks.optional(_name),
    "seed": checks.optional(checks.integer),
    "stable": checks.boolean,
}


def check_positive(**sizes):
    """Raises `ValueError` if one of some arguments is no positive integer."""
    for name, size in sizes.items():
        checks.integer(name, size, 1)


def sized(build, name, *sizes, classes=10, **defaults):
    """Returns the builder of one size of network, of a name of its own.

    Args:
        build: Function of (*sizes, classes, **options).
        name: String, the builder's name and its models'.
        sizes: What `build` is given first.
        classes, defaults: Defaults of the other arguments.
    """

    def builder(classes=classes, **options):
        return build(*sizes, classes, **{"name": name, **defaults, **options})

    given = [*map(str, sizes), f"classes={classes}"]
    given += [f"{key}={value!r}" for key, value in defaults.items()]
    whole = f"`{build.__name__}({', '.join(given)})`"
    builder.__doc__ = f"Builds {whole}, with its other options."
    builder.__name__ = builder.__qualname__ = name
    builder.__module__ = build.__module__
    return builder


def _sizes(shape):
    """Returns positive integers as a tuple; an empty one if it is none."""
    # Others have no order, no end, or bytes that would pass for sizes.
    if not isinstance(shape, list | tuple | range | np.ndarray):
        return ()
    try:
        return tuple(int(checks.integer("size", n, 1)) for n in shape)
    except (TypeError, ValueError):
        return ()
