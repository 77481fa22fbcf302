"""Does the same many times, and counts what each time leaves behind.

Keras and TensorFlow leave something behind themselves: memory with each model,
a registered gradient with each training step that is traced. So what kprune
does stands beside what Keras has to do for it, and the difference is told.
"""

import concurrent.futures
import ctypes
import gc
import os
import pathlib
import sys
import threading

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.python.framework import ops

import kprune
from faults.outcomes import Outcome

_PAGE = os.sysconf("SC_PAGE_SIZE")
_IMAGES = (8, 8, 1)
_MEMORY = "KiB of memory"


def measure(workdir, seeds, cases):
    """Yields an `Outcome` for each thing that is done many times."""
    del seeds, cases
    again = prune_again(network())
    looks = look_at(network())
    exports = export_to(pathlib.Path(workdir))
    wrapped = kprune.prune(network(), "magnitude", 0.5, verbose=0)
    rows = [
        ("prune, one model", again, copy_by_keras(network()), 800),
        ("prune, a fresh model each", prune_fresh, network, 200),
        (
            "prune in two threads",
            in_threads(prune_fresh),
            in_threads(gradient_by_keras),
        ),
        ("fit with GradualPruning", fit(wrapped, gradual), None, 50),
        ("fit with RigL", fit(wrapped, rigl), None, 50),
        ("report, shrink, strip", looks, copy_by_keras(network()), 50),
        ("compare", compare(network()), steps_by_keras, 20),
        ("export", exports, None, 120),
    ]
    for row in rows:
        yield repeated(*row)


def network():
    made = keras.Sequential(
        [
            keras.Input(_IMAGES),
            keras.layers.Conv2D(4, 3, name="conv"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.ReLU(name="relu"),
            keras.layers.Flatten(name="flat"),
            keras.layers.Dense(10, name="fc"),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    made.compile("sgd", loss)
    return made


def prune_again(model):
    def work():
        kprune.prune(model, "snip", 0.5, data=_data(), verbose=0)

    return work


def prune_fresh():
    prune_again(network())()


def in_threads(work):
    def twice():
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(work) for _ in range(2)]:
                done.result()

    return twice


def gradual():
    return kprune.callbacks.GradualPruning("gmp", 0.5, every=1)


def rigl():
    return kprune.callbacks.DynamicSparseTraining("rigl", every=1)


def fit(pruned, callback):
    def work():
        pruned.fit(
            _data(), epochs=2, shuffle=False, verbose=0, callbacks=[callback()]
        )

    return work


def look_at(model):
    pruned = kprune.prune(
        model, "magnitude", 0.5, granularity="channel", verbose=0
    )

    def work():
        kprune.report(pruned)
        kprune.shrink(kprune.strip(pruned), verbose=0)

    return work


def compare(model):
    return lambda: kprune.compare(model, model, verbose=0)


def copy_by_keras(model):
    return lambda: keras.models.clone_model(model)


def gradient_by_keras():
    """Traces a gradient, as a score does: in a thread of its own TensorFlow
    leaves some objects behind."""
    model = network()

    @tf.function
    def gradient(x, y):
        with tf.GradientTape() as tape:
            loss = model.loss(y, model(x, training=True))
        return tape.gradient(loss, model.trainable_variables)

    for x, y in _data():
        gradient(x, y)


def steps_by_keras():
    """Trains two models for a step, as `compare` does."""
    for _ in range(2):
        network().fit(_data().take(1), shuffle=False, verbose=0)


def export_to(directory):
    model, numbers = network(), iter(range(10**6))

    def work():
        kprune.export(model, directory / f"exported-{next(numbers)}")

    return work


def repeated(what, work, by_keras=None, times=100):
    """Returns the `Outcome` of something that is done so many times.

    Args:
        what: String.
        work: Function without arguments.
        by_keras: What Keras alone has to do for it, as such a function. What
            that leaves behind is taken off.
        times: Integer.
    """
    left = _left_behind(work, times)
    without = _left_behind(by_keras, times) if by_keras else {}
    left = {name: each - without.get(name, 0) for name, each in left.items()}
    grown = {name: each for name, each in left.items() if each >= 1}
    told = ", ".join(f"{each:.3g} {name}" for name, each in grown.items())
    found = f"{told} a call" if grown else "nothing left behind"
    wrong = [f"{what}: {found}"] if grown.keys() - {_MEMORY} else []
    return Outcome(what, times, found, wrong)


def _left_behind(work, times):
    """Returns what each of the last half of the calls added, by name."""
    for _ in range(times - times // 2):
        work()
    before = _counts()
    for _ in range(times // 2):
        work()
    after = _counts()
    return {
        name: (after[name] - before[name]) / (times // 2) for name in before
    }


def _counts():
    gc.collect()
    if sys.platform == "linux":  # What is free, but not yet given back.
        ctypes.CDLL(None).malloc_trim(0)
    resident = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return {
        _MEMORY: resident * _PAGE // 1024,
        "Python objects": len(gc.get_objects()),
        "threads": threading.active_count(),
        "file handles": len(os.listdir("/proc/self/fd")),
        "TensorFlow functions": len(context.context().list_function_names()),
        "registered gradients": len(ops.gradient_registry._registry),
        "patched names": int(_patched() != _STOCK),
    }


def _patched():
    """Returns what scoring and copying replace while they run."""
    return (
        tf.nn.moments,
        keras.layers.BatchNormalization.call,
        keras.src.random.seed_generator.python_random,
        keras.config.floatx(),
        keras.config.dtype_policy().name,
    )


_STOCK = _patched()


def _data():
    draws = np.random.default_rng(0)
    x = draws.normal(size=(16, *_IMAGES)).astype("float32")
    return tf.data.Dataset.from_tensor_slices(
        (x, draws.integers(0, 10, 16))
    ).batch(8)
