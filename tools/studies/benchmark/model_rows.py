"""Rows of the benchmark: what pruned models take, and what making them does.

A row is a function of the flags that yields measurements.
"""

import functools
import gc
import subprocess
import sys
import time

import keras
import numpy as np
import tensorflow as tf

import kprune
from benchmark import removals, scorings
from benchmark.measurements import Measurement, measured
from kprune.deploy.comparison.timing import alternate, compare_times

_UNITS = 16  # Of each layer of the row `overhead`: small, so that calls count.
_IMPORT = (
    "import time, tensorflow, keras; start = time.perf_counter(); "
    "import kprune; print(time.perf_counter() - start)"
)


def training_step(flags):
    """A step of training with masks over one without."""
    for name in flags.networks:
        dense, x, y, loss = scorings.setting(name, flags.batch_size)
        steps = []
        for model in (kprune.prune(dense, "random", 0.9), dense):
            model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss)
            steps.append(functools.partial(model.train_on_batch, x, y))
            steps[-1]()
        times, base = alternate(*steps, flags.repeats)
        yield measured(
            f"training step, masked / dense, {name}",
            times / base,
            "<= 1.03",
            note=f"a dense step takes {np.median(base):.2f} s",
        )


def pruning_while_training(flags):
    """A hundred steps with one update of the masks, over fixed masks."""
    when, known = {"every": "100it", "end": "1000it"}, kprune.callbacks
    updates = {
        "RigL": lambda: [known.DynamicSparseTraining("rigl", **when)],
        "GMP": lambda: [known.GradualPruning("gmp", 0.9, **when)],
        "static": list,
    }
    for name in flags.networks:
        dense, x, y, loss = scorings.setting(name, flags.batch_size)
        batches = tf.data.Dataset.from_tensors((x, y)).repeat()
        runs = []
        for callbacks in updates.values():
            model = kprune.prune(dense, "random", 0.5)
            model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss)
            run = functools.partial(_hundred_steps, model, batches, callbacks)
            runs.append(run)
        repeats = min(flags.repeats, flags.long_repeats)
        found = np.array([[run() for run in runs] for _ in range(repeats)])
        *pruned, static = found.T
        for method, times in zip(updates, pruned, strict=False):
            yield measured(
                f"100 steps with an update, {method} / static, {name}",
                times / static,
                "<= 1.05",
                note=f"a static step takes {np.median(static) / 100:.2f} s",
            )


def _hundred_steps(model, batches, callbacks):
    """Returns the seconds of 100 steps, of which one updates the masks.

    What comes before them traces: a first update is among that.
    """
    return sum(_times_of_steps(model, batches, callbacks(), 202)[102:])


def _times_of_steps(model, batches, callbacks, steps):
    """Returns the seconds that each step of a training took, a list."""
    ends = []

    class Stopwatch(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            ends.append(time.perf_counter())

        def on_train_batch_end(self, batch, logs=None):
            ends.append(time.perf_counter())

    model.fit(
        batches,
        steps_per_epoch=steps,
        callbacks=[*callbacks, Stopwatch()],
        shuffle=False,
        verbose=0,
    )
    return list(np.diff(ends))


def mask_update(flags):
    """What one update of the masks costs beside a step of training.

    RigL's comes in place of the first of four steps, and GMP's after the last.
    """
    every, known = 4, kprune.callbacks
    when = {"every": f"{every}it", "end": "1000it"}
    updates = {
        "RigL": (0, lambda: known.DynamicSparseTraining("rigl", **when)),
        "GMP": (3, lambda: known.GradualPruning("gmp", 0.9, **when)),
    }
    repeats = min(flags.repeats, flags.long_repeats)
    for name in flags.updated_networks:
        dense, x, y, loss = scorings.setting(name, flags.batch_size)
        batches = tf.data.Dataset.from_tensors((x, y)).repeat()
        for method, (place, callback) in updates.items():
            model = kprune.prune(dense, "random", 0.5)
            model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss)
            steps = every * (repeats + 2)  # Two rounds trace.
            times = _times_of_steps(model, batches, [callback()], steps)
            rounds = np.reshape(times, [-1, every])[2:]
            step = np.median(np.delete(rounds, place, axis=1), axis=1)
            masks = kprune.get_masks(model).values()
            yield measured(
                f"a step with an update of the masks by {method} / one "
                f"without, {name}",
                rounds[:, place] / step,
                note=f"{np.median(rounds[:, place] - step):.2f} s for "
                f"{sum(mask.size for mask in masks):,} weights; a step takes "
                f"{np.median(step):.2f} s",
            )


def shrink(flags):
    """A network over the same without half of its channels."""
    for network in flags.shrunk_networks:
        models = removals.shrunk(network)
        yield from _bought(f"shrink, {network}", *models, 32, flags.repeats)


def compact(flags):
    """A dense network over the same without what SNIP cuts off."""
    models = removals.compacted()
    yield from _bought("compact, lenet_300_100", *models, 128, flags.repeats)


def _bought(what, dense, small, batch_size, repeats):
    """Yields what a smaller model takes of the dense one's size and time."""
    options = {"batch_size": batch_size, "repeats": repeats, "verbose": 0}
    found = [*kprune.compare(dense, small, **options).rows]
    lite = [removals.lite(model) for model in (dense, small)]
    if None not in lite:
        found.append(removals.lite_row(compare_times(*lite, repeats)))
    for one in found:
        digits = ".3f" if one.name == removals.LITE else ".2f"
        shown = [
            format(value, "," if isinstance(value, int) else digits)
            for value in (one.before, one.after)
        ]
        yield Measurement(
            f"{what}: {one.name}",
            one.ratio,
            one.spread or (one.ratio, one.ratio),
            removals.TARGETS.get(what, {}).get(one.name, "reported"),
            f"{' to '.join(shown)} {one.unit}".rstrip(),
        )


def overhead(flags):
    """What kprune takes of a model of many layers, over building it.

    Everything is done once, and to a model of its own: what is traced or
    walked for the first time is what counts.
    """
    repeats = min(flags.repeats, flags.long_repeats)
    found = [_overhead(flags.layers) for _ in range(repeats)]
    building = np.array([times.pop("building") for times in found])
    for call in found[0]:
        times = np.array([one[call] for one in found])
        yield measured(
            f"overhead, {flags.layers} layers: {call} / building",
            times / building,
            "<= 1",
            note=f"{np.median(times):.2f} of {np.median(building):.2f} s",
        )


def _overhead(layers):
    """Returns the seconds of each call."""
    keras.backend.clear_session()
    gc.collect()
    times = {}

    def timed(name, function, *arguments, **options):
        start = time.perf_counter()
        result = function(*arguments, **options)
        times[name] = time.perf_counter() - start
        return result

    model = timed("building", _deep, layers)
    how = {"method": "magnitude", "sparsity": 0.5, "verbose": 0}
    pruned = timed("prune", kprune.prune, model, **how)
    timed("strip", kprune.strip, pruned)
    timed("report", kprune.report, pruned)
    channels = kprune.prune(model, **how, granularity="channel")
    timed("shrink", kprune.shrink, channels, verbose=0)
    return times


def _deep(layers):
    dense = [keras.layers.Dense(_UNITS) for _ in range(layers)]
    return keras.Sequential([keras.Input((_UNITS,)), *dense])


def import_time(flags):
    """Importing kprune beyond importing TensorFlow and Keras."""
    command = [sys.executable, "-c", _IMPORT]
    times = [
        float(subprocess.check_output(command, stderr=subprocess.PIPE))
        for _ in range(min(flags.repeats, 3))
    ]
    name = "import kprune beyond TensorFlow"
    yield measured(name, times, "<= 0.5 s", unit="s")
