"""Whole calls of `kprune.prune`, timed with their parts told apart.

A process that has done nothing else calls once, and then by turns with a plain
training step of the same network on the same batch.
"""

import collections
import contextlib
import functools
import time

import keras
import tensorflow as tf

import kprune
from benchmark import scorings
from kprune.deploy.comparison.timing import seconds
from kprune.masking import made_up, precision, wrapping
from kprune.pruning import pruner, ranking
from kprune.runtime import lookup, memory
from kprune.scoring import data, synaptic_flow
from kprune.scoring.derivatives import Derivatives

STEP = "step"
OPTIONS = {
    "snip": {},
    "grasp": {},
    "force": {},
    "synflow": {},
    "prospr": {"inner_steps": 3},
}
PARTS = (
    "copy and wrap",
    "compare the copy",
    "data and loss",
    "trace",
    "first run",
    "compute",
    "choose",
    "set masks",
    "rest",
)


class Stopwatch:
    """Seconds by part. Of parts within each other, the inner one counts."""

    def __init__(self):
        self.times = collections.Counter()
        self._within, self._since = [], 0.0

    @contextlib.contextmanager
    def part(self, name):
        self._count()
        self._within.append(name)
        try:
            yield
        finally:
            self._count()
            self._within.pop()

    def _count(self):
        now = time.perf_counter()
        if self._within:
            self.times[self._within[-1]] += now - self._since
        self._since = now

    def watch(self, owner, attribute, name):
        """Lets a function of a module or class count as a part; `name` may be
        a function of its arguments."""
        function = getattr(owner, attribute)

        @functools.wraps(function)
        def timed(*args, **kwargs):
            part = name(*args) if callable(name) else name
            with self.part(part):
                return function(*args, **kwargs)

        setattr(owner, attribute, timed)


def watch_all(watch):
    """Lets a stopwatch tell the parts of all calls that are to come."""
    watch.watch(wrapping, "wrap", "copy and wrap")
    watch.watch(precision, "copy_in", "copy and wrap")
    watch.watch(made_up, "prove", "compare the copy")
    watch.watch(data, "read", "data and loss")
    watch.watch(pruner, "rank", "choose")
    watch.watch(ranking.Ranking, "masks", "choose")
    watch.watch(wrapping, "set_masks", "set masks")
    watch.watch(synaptic_flow.Flow, "scores", "compute")
    watch.watch(synaptic_flow.Flow, "_scores", "trace")
    watch.watch(Derivatives, "__call__", "compute")
    found = Derivatives._function

    def function(*args, **kwargs):
        compute = found(*args, **kwargs)
        if isinstance(compute, tf.types.experimental.PolymorphicFunction):
            return _traced(compute, watch)
        return compute

    Derivatives._function = function


def _traced(compute, watch):
    """Returns a traced function, whose trace is a part, and its first run."""
    fresh = not compute.experimental_get_tracing_count()
    if not fresh:
        return compute
    with watch.part("trace"):
        compute.get_concrete_function()

    def first(*args):
        with watch.part("first run"):
            return compute(*args)

    return first


def times_of(name, network, batch_size, repeats):
    """Returns the seconds of the first call and of later ones, of a training
    step before each later call, and of the parts; and the most bytes held
    before the first call and after it."""
    lookup.choose(name, {STEP: None, **OPTIONS}, "call")
    model, x, y, loss = scorings.setting(network, batch_size)
    trained = keras.models.clone_model(model)
    trained.compile(keras.optimizers.SGD(0.01), loss)
    step = functools.partial(trained.train_on_batch, x, y)
    before = memory.peak()
    if name == STEP:
        first, parts = seconds(step), {}
    else:
        watch = Stopwatch()
        watch_all(watch)
        how = {"data": (x, y), "loss": loss, "scoring": {"batches": 1}}
        how["scoring"]["batch_size"] = batch_size
        call = functools.partial(
            kprune.prune, model, name, 0.95, verbose=0, **OPTIONS[name], **how
        )
        first, parts = _parts(call, watch)
    # The kernel adds up what its threads count only now and then.
    held = before, max(before, memory.peak())
    found = {"first": first, "first_parts": parts, "memory": held}
    step()
    found["steps"] = [seconds(step) for _ in range(repeats)]
    if name != STEP:
        later = []
        for place in range(repeats):
            later.append(_parts(call, watch))
            found["steps"][place] = seconds(step)
        found["later"], parts = zip(*later, strict=True)
        found["later_parts"] = parts[-1]
    return found


def _parts(call, watch):
    """Returns the seconds of a call, and by part."""
    watch.times.clear()
    with watch.part("rest"):
        call()
    return sum(watch.times.values()), dict(watch.times)
