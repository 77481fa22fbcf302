"""One integer becomes as many independent random streams as there are names."""

import contextlib
import random
import zlib

import numpy as np

from kprune.runtime import checks


def stream(seed, *names):
    """Returns a NumPy generator that depends on the seed and the names alone.

    Names are strings and integers >= 0, such as a purpose and a weight's name.
    They are hashed with CRC-32, which unlike Python's `hash` is the same in
    every process.
    """
    # The count first: NumPy takes a sequence that ends in 0 for one without.
    entropy = [seed, len(names)]
    for name in names:
        entropy.append(
            zlib.crc32(name.encode()) if isinstance(name, str) else int(name)
        )
    return np.random.default_rng(entropy)


def check(seed):
    """Raises `ValueError` unless `seed` is a non-negative integer."""
    checks.integer("seed", seed)


@contextlib.contextmanager
def untouched():
    """Leaves Python's and NumPy's global random state as it was.

    Keras draws the default seed of each new layer from Python's `random`, so
    that rebuilding a model would otherwise change what the user draws next.
    """
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
