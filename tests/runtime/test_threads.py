"""Two threads at once: each gets what it gets alone, and nothing is left."""

import concurrent.futures
import sys
import threading
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import kprune
from kprune.runtime import keras_internals, user_warnings
from tests.support import networks


def own_activation(x):
    return keras.ops.tanh(x)


def model():
    keras.utils.set_random_seed(0)
    return networks.sequential(
        (4,),
        keras.layers.Dense(8, activation=own_activation, name="a"),
        keras.layers.BatchNormalization(),
        keras.layers.Dense(3, name="b"),
        optimizer="sgd",
        loss=networks.CE,
    )


@pytest.fixture
def quick_switches():
    """Lets threads take turns a hundred times as often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(before / 100)
    yield
    sys.setswitchinterval(before)


def in_threads(*functions):
    """Runs functions at once, each after all have begun; returns results."""
    begun = threading.Barrier(len(functions))

    def run(function):
        begun.wait()
        return function()

    with concurrent.futures.ThreadPoolExecutor(len(functions)) as pool:
        return list(pool.map(run, functions))


def pruned_masks(subject, method):
    data = networks.batched(*networks.examples(16, 4))
    options = {"scoring": {"precision": "float64"}, "verbose": 0}
    pruned = kprune.prune(subject, method, 0.5, data=data, **options)
    return kprune.get_masks(pruned)


@pytest.mark.parametrize("shared", [False, True], ids=["two", "one model"])
def test_two_threads_prune_as_one_does(quick_switches, shared):
    methods = ("grasp", "snip", "synflow")
    alone = [pruned_masks(model(), method) for method in methods]
    subject = model()
    subjects = [subject if shared else model() for _ in methods]
    stock = tf.nn.moments, warnings.warn, keras.layers.BatchNormalization.call
    filters = list(warnings.filters)

    def work(one, method):
        return lambda: [pruned_masks(one, method) for _ in "abc"]

    found = in_threads(*map(work, subjects, methods))
    for expected, repeated in zip(alone, found, strict=True):
        for masks in repeated:
            for name, mask in masks.items():
                np.testing.assert_array_equal(mask, expected[name])
    assert stock == (
        tf.nn.moments,
        warnings.warn,
        keras.layers.BatchNormalization.call,
    )
    assert warnings.filters == filters
    assert all(one.compiled for one in subjects)
    assert own_activation.__name__ == "own_activation"


def test_pruning_takes_back_no_draws_of_another_thread(quick_switches):
    subject, over, drawn = model(), threading.Event(), []

    def draw():
        while not over.is_set():
            drawn.append((np.random.random(), keras.config.floatx()))

    def prune():
        try:
            return [pruned_masks(subject, "snip") for _ in "abc"]
        finally:
            over.set()

    np.random.seed(0)
    in_threads(draw, prune)
    numbers, types = zip(*drawn, strict=True)
    np.random.seed(0)
    assert list(numbers) == list(np.random.random(len(numbers)))
    assert set(types) == {"float32"}


def test_one_thread_is_silent_and_another_warns():
    inside, warned = threading.Event(), threading.Event()

    def silent():
        with user_warnings.silenced():
            warnings.warn("unheard", stacklevel=1)
            inside.set()
            assert warned.wait(10)

    def loud():
        assert inside.wait(10)
        warnings.warn("heard", stacklevel=1)
        warned.set()

    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        in_threads(silent, loud)
    assert [str(one.message) for one in found] == ["heard"]
    assert found[0].filename == __file__


def test_blocks_that_overlap_put_back_the_first_trace():
    class Traced(keras.layers.Layer):
        @tf.function
        def call(self, x):
            return x + 1.0

    layer = Traced()
    own = vars(layer).get("call")
    first = keras_internals.traced_anew([layer])
    second = keras_internals.traced_anew([layer])
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert vars(layer).get("call") is not own
    second.__exit__(None, None, None)
    assert vars(layer).get("call") is own
