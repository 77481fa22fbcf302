"""Pruning of a transformer in one shot, by a process that has done nothing
else: what it takes in memory, and in time beside forward passes."""

import contextlib
import ctypes
import dataclasses
import functools
import math

import keras
import numpy as np

import kprune
from kprune.deploy.comparison.timing import seconds
from kprune.runtime import lookup, memory
from language.network import Block, Positions

_LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
_KEPT_DENSE = ("embed", "out")  # As in the papers.
_LENGTH = 64
_BATCH = 8


@dataclasses.dataclass(frozen=True)
class Size:
    """Of a transformer."""

    words: int
    width: int
    depth: int


SIZES = {
    "tiny": Size(50, 16, 2),
    "small": Size(1000, 256, 4),
    "large": Size(10_000, 768, 12),  # 100 million parameters.
}


@keras.saving.register_keras_serializable("benchmark")
class Transformer(keras.Model):
    """A causal transformer, a class of its own: such are pruned in place."""

    def __init__(self, words, width, depth, **options):
        super().__init__(**options)
        self.config = {"words": words, "width": width, "depth": depth}
        self.embed = keras.layers.Embedding(words, width, name="embed")
        self.positions = Positions(_LENGTH, name="positions")
        self.blocks = [
            Block(max(1, width // 64), 4 * width, name=f"block_{number}")
            for number in range(depth)
        ]
        self.out = keras.layers.Dense(words, name="out")

    def call(self, x):
        x = self.positions(self.embed(x))
        for block in self.blocks:
            x = block(x)
        return self.out(x)

    def get_config(self):
        return {**super().get_config(), **self.config}


def setting(name, sequences):
    """Returns a transformer and noise for its data, (x, y)."""
    size = lookup.choose(name, SIZES, "size of a transformer")
    keras.utils.set_random_seed(0)
    model = Transformer(**dataclasses.asdict(size))
    shape = sequences, _LENGTH
    x, y = np.random.default_rng(0).integers(0, size.words, (2, *shape))
    model(x[:1])
    return model, (x, y)


def _masks(model, data, method):
    """Finds the masks alone: the model stays as it is, and there is one."""
    pruner = kprune.recipes.get(method, sequential=True)
    scoring = {"batch_size": _BATCH}
    objective = kprune.Objective(
        model, data, _LOSS, scoring, exclude=_KEPT_DENSE
    )
    pruner.masks(objective, 0.5)


def _call(model, data, method, inplace):
    kprune.prune(
        model,
        method,
        0.5,
        data=data,
        loss=_LOSS,
        exclude=_KEPT_DENSE,
        scoring={"batch_size": _BATCH},
        inplace=inplace,
        prove=False,
        sequential=True,
        verbose=0,
    )


HOW = {
    "masks": _masks,
    "inplace": functools.partial(_call, inplace=True),
    "copy": functools.partial(_call, inplace=False),
}


def costs(method, size, how, sequences):
    """Prunes a transformer, block by block; returns the bytes of its
    parameters, what the process held before it was made, at most until it had
    run, and at most as it was pruned, and the seconds of pruning and of a pass
    over the data before it.

    A tiny one is pruned before: what TensorFlow loads for that is no part. Nor
    is what drawing the first values has freed: the allocator keeps it.
    """
    prune = lookup.choose(how, HOW, "way to prune")
    prune(*setting("tiny", _BATCH), method)
    _begin_anew()
    start = memory.resident()
    model, data = setting(size, sequences)
    own = sum(4 * math.prod(v.shape) for v in model.variables)  # In float32.

    def forward():
        for first in range(0, sequences, _BATCH):
            model(data[0][first : first + _BATCH], training=False)

    forward()
    one_pass = seconds(forward)
    built = max(start, memory.peak())
    _begin_anew()
    pruning = seconds(functools.partial(prune, model, data, method))
    # The kernel adds up what its threads count only now and then.
    most = max(start, memory.resident(), memory.peak())
    found = {"bytes": own, "start": start, "built": built, "most": most}
    return {**found, "pruning": pruning, "pass": one_pass}


def _begin_anew():
    """Gives freed memory back and lets the peak begin at what is held. Where
    that cannot be done, as on macOS, the peak stays the larger."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as f:
        f.write("5")
