"""Weight initializers, as the pruning papers name them.

All are stock Keras initializers, so that a saved model loads without kprune.
Keras' own `he_normal` and `glorot_normal` are truncated normals; PyTorch's
`kaiming_normal_` and `xavier_normal_`, which the papers' code uses, are not.
"""

import zlib

import keras

from kprune.runtime import checks
from kprune.runtime.lookup import unknown
from kprune.runtime.words import shown

_PAPERS = {
    "kaiming_normal": (2.0, "fan_in", "untruncated_normal"),
    "kaiming_normal_fan_out": (2.0, "fan_out", "untruncated_normal"),
    "xavier_normal": (1.0, "fan_avg", "untruncated_normal"),
    "torch": (1 / 3, "fan_in", "uniform"),  # The limit is sqrt(3 scale / fan).
    "fan_in_uniform": (1 / 3, "fan_in", "uniform"),
    "fan_in_normal": (1.0, "fan_in", "untruncated_normal"),
}


def names():
    """Returns the names `get` knows besides those of Keras."""
    return sorted(_PAPERS)


def get(identifier):
    """Returns an initializer by the name the papers use, or by Keras' own.

    | name                     | kernels                                   |
    |--------------------------|-------------------------------------------|
    | `kaiming_normal`         | N(0, 2 / fan_in), not truncated           |
    | `kaiming_normal_fan_out` | N(0, 2 / fan_out), not truncated          |
    | `xavier_normal`          | N(0, 2 / (fan_in + fan_out)), not trunc.  |
    | `torch`                  | U(-1 / sqrt(fan_in), 1 / sqrt(fan_in))    |
    | `fan_in_uniform`         | the same; biases are zero                 |
    | `fan_in_normal`          | N(0, 1 / fan_in), not truncated           |

    Args:
        identifier: One of the names above, or anything that
            `keras.initializers.get` understands.

    Raises:
        ValueError: If `identifier` is none of these.

    Example:

    >>> kprune.models.initializers.get("kaiming_normal").scale
    2.0
    """
    if isinstance(identifier, str) and identifier in _PAPERS:
        scale, mode, distribution = _PAPERS[identifier]
        return keras.initializers.VarianceScaling(scale, mode, distribution)
    if (initializer := _of_keras(identifier)) is not None:
        return initializer
    raise ValueError(
        unknown(identifier, names(), "initializer")
        + " Initializers of Keras will do as well, by name or as objects."
        f" Received: initializer={shown(identifier)}"
    )


def _of_keras(identifier):
    """Returns the initializer that Keras knows, or `None`."""
    kinds = str | dict | keras.initializers.Initializer
    if not isinstance(identifier, kinds) and not _is_law(identifier):
        return None
    try:
        return keras.initializers.get(identifier)
    except Exception:  # What a config of Keras' may raise has no bounds.
        return None


def _is_law(identifier):
    """Whether it is a class of Keras', or a function of a shape."""
    if isinstance(identifier, type):
        return issubclass(identifier, keras.initializers.Initializer)
    if not callable(identifier) or hasattr(identifier, "shape"):
        return False
    # These take arguments of any name, and hand them on.
    other = isinstance(identifier, keras.layers.Layer | keras.metrics.Metric)
    return not other and checks.can_take(identifier, 1, dtype=None)


def for_kernel(identifier, seed, name):
    """Returns the initializer of one kernel, whose draws are its own.

    One seeded Keras initializer used for several layers would give all of
    them the same draws, so each gets a copy, seeded from `seed` and its name.
    If `seed` is None, an initializer that came with an integer keeps to that.
    """
    initializer = get(identifier)
    if not isinstance(initializer, keras.initializers.Initializer):
        return initializer
    config = initializer.get_config()
    if "seed" not in config:
        return initializer
    seed = config["seed"] if seed is None else seed
    if isinstance(seed, dict):  # A `SeedGenerator` moves on by itself.
        return initializer
    config["seed"] = derived_seed(seed, name)
    return type(initializer).from_config(config)


def for_bias(identifier, fan_in, seed, name):
    """Returns the initializer of one bias: zeros, but for `"torch"`.

    PyTorch draws biases from the law of their kernel. The shape of a bias
    does not tell its fan-in, which is why it is asked for.
    """
    if not (isinstance(identifier, str) and identifier == "torch"):
        return keras.initializers.Zeros()
    limit = fan_in**-0.5
    return keras.initializers.RandomUniform(
        -limit, limit, seed=derived_seed(seed, name)
    )


def derived_seed(seed, name):
    """Returns the seed of one weight, of 31 bits, the same one in every
    process; None if the model's is None."""
    if seed is None:
        return None
    # Not `hash`, which Python salts anew in each process.
    return zlib.crc32(f"{seed}/{name}".encode()) & 0x7FFFFFFF
