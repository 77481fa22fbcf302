"""Derives independent random streams from one seed, by name."""

import random
import zlib

import numpy as np

from kprune.runtime import checks, keras_internals
from kprune.runtime.thread_patches import ThreadPatches


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


def untouched():
    """Returns a context in which Keras draws from a generator of this thread.

    Keras draws the default seed of each new layer from Python's `random`, so
    that rebuilding a model would otherwise change what the user draws next.
    Within, it draws the numbers that it would have drawn there. The global
    state stays as it is: other threads may be drawing from it.
    """
    draws = random.Random()
    draws.setstate((_keras_draws.value or random).getstate())
    return _keras_draws.within(draws)


class _Draws:
    """Stands for Python's `random` where Keras draws default seeds."""

    def __getattr__(self, name):
        return getattr(_keras_draws.value or random, name)


_keras_draws = ThreadPatches(
    lambda: keras_internals.set_seed_source(_Draws()),
    lambda: keras_internals.set_seed_source(random),
)
