"""What goes into a model and into its builder, checked at the door."""

import numbers

import keras


def image(input_shape, smallest=1):
    """Returns the input of a model of images.

    Args:
        input_shape: Height, width and channels.
        smallest: Integer, the least height and width the model can take.

    Raises:
        ValueError: If `input_shape` is anything else, or too small.
    """
    shape = _sizes(input_shape)
    if shape is None or len(shape) != 3 or min(shape[:2]) < smallest:
        raise ValueError(
            "`input_shape` must be (height, width, channels), with height and "
            f"width of at least {smallest} for this model. "
            f"Received: input_shape={input_shape!r}"
        )
    return keras.Input(shape, name="image")


def vector(input_shape):
    """Returns the input of a model that flattens it, and the flat tensor.

    Args:
        input_shape: Positive integers, of any number from one on.

    Raises:
        ValueError: If `input_shape` is anything else.
    """
    shape = _sizes(input_shape)
    if not shape:
        raise ValueError(
            "`input_shape` must be a sequence of positive integers. "
            f"Received: input_shape={input_shape!r}"
        )
    inputs = keras.Input(shape, name="input")
    return inputs, keras.layers.Flatten(name="flatten")(inputs)


def check_positive(**sizes):
    """Raises a ValueError that names the argument, if one is not positive."""
    for name, size in sizes.items():
        if not _is_integer(size) or size < 1:
            raise ValueError(
                f"`{name}` must be a positive integer. "
                f"Received: {name}={size!r}"
            )


def check_seed(seed):
    """Raises a ValueError if `seed` is neither None nor a whole number."""
    if seed is not None and (not _is_integer(seed) or seed < 0):
        raise ValueError(
            f"`seed` must be None or an integer >= 0. Received: seed={seed!r}"
        )


def _sizes(shape):
    try:
        sizes = tuple(shape)
    except TypeError:
        return None
    if not all(_is_integer(n) and n > 0 for n in sizes):
        return None
    return tuple(int(n) for n in sizes)


def _is_integer(value):
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)
