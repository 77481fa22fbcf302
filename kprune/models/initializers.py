"""Weight initializers, as the pruning papers name them.

All are stock Keras initializers, so that a saved model loads without kprune.
Keras' `he_normal` and `glorot_normal` are truncated normals, unlike PyTorch's
`kaiming_normal_` and `xavier_normal_`, which the papers' code uses.
"""

import zlib
from collections.abc import Callable
from typing import Any

import keras

from kprune.runtime import checks
from kprune.runtime.lookup import unknown
from kprune.runtime.types import Initializer
from kprune.runtime.words import shown

_PAPERS = {
    "kaiming_normal": (2.0, "fan_in", "untruncated_normal"),
    "kaiming_normal_fan_out": (2.0, "fan_out", "untruncated_normal"),
    "xavier_normal": (1.0, "fan_avg", "untruncated_normal"),
    # Keras' uniform has the limit sqrt(3 scale / fan_in).
    "torch": (1 / 3, "fan_in", "uniform"),
    "fan_in_uniform": (1 / 3, "fan_in", "uniform"),
    "fan_in_normal": (1.0, "fan_in", "untruncated_normal"),
}


def names() -> list[str]:
    """Returns the names that `get` accepts besides those of Keras, sorted."""
    return sorted(_PAPERS)


def get(
    identifier: Initializer,
) -> keras.initializers.Initializer | Callable[..., Any]:
    """Returns an initializer by the papers' name, or by Keras'.

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
            `keras.initializers.get` accepts.

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
    """Returns Keras' initializer for an identifier, or `None`."""
    kinds = str | dict | keras.initializers.Initializer
    if not isinstance(identifier, kinds) and not _is_law(identifier):
        return None
    try:
        return keras.initializers.get(identifier)
    except Exception:  # An invalid config may raise anything.
        return None


def _is_law(identifier):
    """Returns whether `identifier` is a class of Keras initializers or a
    function of a shape."""
    if isinstance(identifier, type):
        return issubclass(identifier, keras.initializers.Initializer)
    if not callable(identifier) or hasattr(identifier, "shape"):
        return False
    # Layers and metrics are callable with any keyword, but not initializers.
    other = isinstance(identifier, keras.layers.Layer | keras.metrics.Metric)
    return not other and checks.can_take(identifier, 1, dtype=None)


def for_kernel(
    identifier: Initializer, seed: int | None, name: str
) -> keras.initializers.Initializer | Callable[..., Any]:
    """Returns the initializer of one kernel, with draws of its own.

    A seeded Keras initializer that several layers share would give all of them
    the same draws, so each kernel gets a copy, seeded from `seed` and `name`.
    If `seed` is `None`, an integer seed of the initializer takes its place.
    """
    initializer = get(identifier)
    if not isinstance(initializer, keras.initializers.Initializer):
        return initializer
    config = initializer.get_config()
    if "seed" not in config:
        return initializer
    seed = config["seed"] if seed is None else seed
    # The config of a `SeedGenerator`, which draws anew at each call.
    if isinstance(seed, dict):
        return initializer
    config["seed"] = derived_seed(seed, name)
    return type(initializer).from_config(config)


def for_bias(
    identifier: Initializer, fan_in: int, seed: int | None, name: str
) -> keras.initializers.Initializer:
    """Returns the initializer of one bias: zeros, except for `"torch"`.

    PyTorch draws biases from the distribution of their kernel, whose fan-in
    the shape of a bias does not show.
    """
    if not (isinstance(identifier, str) and identifier == "torch"):
        return keras.initializers.Zeros()
    limit = fan_in**-0.5
    return keras.initializers.RandomUniform(
        -limit, limit, seed=derived_seed(seed, name)
    )


def derived_seed(seed: int | None, name: str) -> int | None:
    """Returns a 31-bit seed for one weight, equal in every process, or `None`
    if `seed` is."""
    if seed is None:
        return None
    # Not `hash`, which Python salts in each process.
    return zlib.crc32(f"{seed}/{name}".encode()) & 0x7FFFFFFF
