"""What exported files of pruned networks weigh, and how fast they run."""

import dataclasses
import functools
import pathlib

import keras
import numpy as np
from keras import layers

import kprune
from benchmark import removals
from benchmark.measurements import Measurement
from kprune.deploy import runtimes
from kprune.deploy.comparison.timing import compare_times
from kprune.runtime import files

BLOCKS = kprune.Block((4, 1))
SINGLE = "weight"


@dataclasses.dataclass(frozen=True)
class Case:
    """One network, pruned at random to the same share in each layer.

    Attributes:
        network: Name of a function of this module's `NETWORKS`.
        sparsity: Share that is removed.
        granularity: Of what is removed.
        faster, smaller: How many times the file should be at least, of the
            dense network's. `None` where speed is not claimed.
    """

    network: str
    sparsity: float
    granularity: object
    faster: float | None
    smaller: float

    def __str__(self):
        kind = "unstructured" if self.granularity is SINGLE else "4x1"
        return f"{self.network}, {kind} {self.sparsity:.0%}"


CASES = (
    Case("784-300-100-10", 0.90, BLOCKS, 2.2, 8.5),
    Case("784-300-100-10", 0.95, BLOCKS, 3.8, 16),
    Case("784-300-100-10", 0.95, SINGLE, 1.4, 12),
    Case("784-300-100-10", 0.98, SINGLE, 3.0, 28),
    Case("1024-4096-4096-10", 0.90, BLOCKS, 6, 8.5),
    Case("CNN with a head of 2048", 0.95, BLOCKS, 3.5, 16),
    Case("resnet18", 0.95, SINGLE, None, 12),
)
PACKED = {0.95: 12, 0.98: 20}


def mlp(*widths):
    """Returns a network of dense layers."""
    hidden = [layers.Dense(n, activation="relu") for n in widths[1:-1]]
    last = layers.Dense(widths[-1])
    return keras.Sequential([keras.Input(widths[:1]), *hidden, last])


def cnn():
    """Returns three convolutions, and a dense head with most of the weights."""
    convolutions = [
        layers.Conv2D(n, 3, strides=2, padding="same", activation="relu")
        for n in (32, 64, 128)
    ]
    head = [layers.Flatten(), layers.Dense(2048, activation="relu")]
    first = keras.Input((32, 32, 3))
    return keras.Sequential([first, *convolutions, *head, layers.Dense(10)])


NETWORKS = {
    "784-300-100-10": functools.partial(mlp, 784, 300, 100, 10),
    "1024-4096-4096-10": functools.partial(mlp, 1024, 4096, 4096, 10),
    "CNN with a head of 2048": cnn,
    "resnet18": functools.partial(kprune.models.get, "resnet18", classes=10),
}


def deployment(flags):
    """LiteRT files of pruned networks over those of the dense ones; packed
    files over those that Keras writes."""
    for case in CASES:
        dense = NETWORKS[case.network]()
        pruned = kprune.prune(
            dense,
            "random",
            case.sparsity,
            allocation="uniform",
            granularity=case.granularity,
            verbose=0,
        )
        yield from _lite(f"LiteRT, {case}", dense, pruned, case, flags, False)
    small = Case("lenet_300_100", 0.95, SINGLE, 2.0, 11)
    dense, pruned = removals.of_snip()
    what = "LiteRT, lenet_300_100 compacted, SNIP 95%"
    yield from _lite(what, dense, pruned, small, flags, True)
    for sparsity, least in PACKED.items():
        yield _packed(sparsity, least)


def _lite(what, dense, pruned, case, flags, compact):
    """Yields how many times faster and smaller a file is than the dense one."""
    with files.scratch_directory() as directory:
        paths = [pathlib.Path(directory, f"{i}.tflite") for i in range(2)]
        before = kprune.export(dense, paths[0], sparse=False, compact=False)
        after = kprune.export(pruned, paths[1], compact=compact)
        runs = [_run(path) for path in paths]
    found = compare_times(*runs, flags.repeats)
    times = f"{1000 * found.before:.3f} to {1000 * found.after:.3f} ms"
    target = "not claimed" if case.faster is None else f">= {case.faster}"
    yield Measurement(
        f"{what}: faster at batch 1", found.ratio, found.spread, target, times
    )
    ratio = before.bytes / after.bytes
    sizes = f"{before.bytes:,} to {after.bytes:,}; error {after.error:.0e}"
    smaller = f">= {case.smaller}"
    yield Measurement(f"{what}: smaller", ratio, (ratio, ratio), smaller, sizes)


def _run(path):
    """Returns a function that runs a file on one example, once it is copied
    there: what Python does around it takes longer than a small network."""
    runner = runtimes.open(path)
    ((_, shape, dtype),) = runner.inputs
    x = np.random.default_rng(0).normal(size=(1, *shape[1:])).astype(dtype)
    runner([x])
    return runner.again


def _packed(sparsity, least):
    dense = NETWORKS["resnet18"]()
    pruned = kprune.prune(dense, "random", sparsity, verbose=0)
    with files.scratch_directory() as directory:
        path = pathlib.Path(directory, "model.keras")
        files.write_keras(path, kprune.strip(pruned))
        before = path.stat().st_size
        after = kprune.export(pruned, path.with_suffix(".kpz")).bytes
    ratio = before / after
    return Measurement(
        f"packed, resnet18, unstructured {sparsity:.0%}: smaller than .keras",
        ratio,
        (ratio, ratio),
        f">= {least}",
        f"{before:,} to {after:,}",
    )
