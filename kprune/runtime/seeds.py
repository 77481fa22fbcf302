"""Derives independent random streams from one seed, by name."""

import random
import zlib

import numpy as np

from kprune.runtime import checks, keras_internals
from kprune.runtime.thread_patches import ThreadPatches


def stream(seed, *names):
    """Returns a NumPy generator that depends only on the seed and the names.

    Names are strings and integers >= 0, such as a purpose and a weight's name.
    Strings are hashed with CRC-32, which unlike Python's `hash` is the same in
    every process.
    """
    # The count comes first, since NumPy ignores a 0 at the end of the entropy.
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
    """Returns a context in which Keras draws seeds without advancing `random`.

    Keras draws the default seed of each new layer from Python's `random`, so
    rebuilding a model would otherwise change what the user draws next. In the
    context it draws the same numbers from a copy of the generator that belongs
    to this thread. The global state is not touched, since other threads may
    be drawing from it.
    """
    draws = random.Random()
    draws.setstate((_keras_draws.value or random).getstate())
    return _keras_draws.within(draws)


class _Draws:
    """A stand-in for Python's `random` where Keras draws default seeds."""

    def __getattr__(self, name):
        return getattr(_keras_draws.value or random, name)


_keras_draws = ThreadPatches(
    lambda: keras_internals.set_seed_source(_Draws()),
    lambda: keras_internals.set_seed_source(random),
)
