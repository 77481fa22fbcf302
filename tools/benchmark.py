"""Measures what kprune costs, as ratios, and prints a Markdown table.

    python tools/benchmark.py
    python tools/benchmark.py --rows=snip,grasp --networks=resnet20 --repeats=5

Each ratio is taken in one process, with what it is compared to run in
alternation; the figures are the median over the repeats and the spread of its
middle half. Absolute times are for scale only: they belong to the machine.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import dataclasses
import platform
import subprocess
import sys
import time

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

import kprune

_ROWS = flags.DEFINE_list("rows", [], "Rows to measure. Defaults to all.")
_NETWORKS = flags.DEFINE_list(
    "networks", ["resnet20", "vgg16"], "Networks, by name in kprune.models."
)
_REPEATS = flags.DEFINE_integer("repeats", 21, "Alternations per ratio.", 1)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 128, "Examples.", 1)
_ROUNDS = flags.DEFINE_integer("synflow_rounds", 100, "SynFlow's rounds.", 1)

ROWS = {}


@dataclasses.dataclass(frozen=True)
class Figure:
    """One line of the table."""

    what: str
    median: float
    spread: tuple
    target: str
    note: str = ""
    unit: str = "x"

    def line(self):
        low, high = self.spread
        return (
            f"| {self.what} | {self.median:.2f} {self.unit} | "
            f"{low:.2f} to {high:.2f} | {self.target} | {self.note} |"
        )


def row(function):
    """Puts a function that yields figures into the table."""
    ROWS[function.__name__] = function
    return function


def seconds(function):
    """Returns how long one call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def alternate(one, other):
    """Returns the times of two functions, run by turns, as arrays."""
    one(), other()  # Traces, and warms up.
    pairs = [(seconds(one), seconds(other)) for _ in range(_REPEATS.value)]
    return np.array(pairs).T


def figure(what, values, target, **options):
    low, high = np.percentile(values, [25, 75])
    return Figure(
        what, float(np.median(values)), (low, high), target, **options
    )


def ratio(what, one, other, target, note):
    times, base = alternate(one, other)
    scale = f"{note} takes {np.median(base):.2f} s"
    return figure(what, times / base, target, note=scale)


def setting(name):
    """Returns a network, one batch of noise in CIFAR's shape, and a loss."""
    model = kprune.models.get(name, classes=10)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(_BATCH_SIZE.value, 32, 32, 3)).astype("float32")
    y = rng.integers(0, 10, _BATCH_SIZE.value)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return model, tf.constant(x), tf.constant(y), loss


def stock_gradient(model, x, y, loss):
    """Returns a traced function: the gradient as a training step takes it."""

    @tf.function
    def gradient():
        with tf.GradientTape() as tape:
            value = loss(y, model(x, training=True))
        return tape.gradient(value, model.trainable_variables)

    return gradient


@row
def training_step():
    """A step of training with masks over one without."""
    for name in _NETWORKS.value:
        dense, x, y, loss = setting(name)
        masked = kprune.prune(dense, "random", 0.9)
        for model in (dense, masked):
            model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss)
        yield ratio(
            f"training step, masked / dense, {name}",
            lambda m=masked, x=x, y=y: m.train_on_batch(x, y),
            lambda m=dense, x=x, y=y: m.train_on_batch(x, y),
            "<= 1.03",
            "a dense step",
        )


def _scores(method, target):
    for name in _NETWORKS.value:
        model, x, y, loss = setting(name)
        objective = kprune.Objective(model, (x, y), loss, batch_size=len(x))
        criterion = kprune.criteria.get(method)
        yield ratio(
            f"{method} scores / one gradient, {name}",
            lambda o=objective, c=criterion: c(o, o.weights, o.masks),
            stock_gradient(model, x, y, loss),
            target,
            "a gradient",
        )


@row
def snip():
    """SNIP's scores in gradients of the same batch."""
    yield from _scores("snip", "<= 1.15")


@row
def grasp():
    """GraSP's scores in gradients of the same batch."""
    yield from _scores("grasp", "<= 3.5")


@row
def synflow():
    """All of SynFlow, per round, over its scores by themselves."""
    for name in _NETWORKS.value:
        model, *_ = setting(name)
        objective = kprune.Objective(model)
        pruner = kprune.Pruner(
            "synflow", schedule="exponential", rounds=_ROUNDS.value
        )

        def flow(objective=objective):
            objective.flow_scores(objective.weights, objective.masks)

        flow()
        before = [seconds(flow) for _ in range(_REPEATS.value)]
        total = seconds(lambda o=objective, p=pruner: p.masks(o, 0.99))
        after = [seconds(flow) for _ in range(_REPEATS.value)]
        own = np.array(before + after)
        yield figure(
            f"SynFlow, a round of {_ROUNDS.value} / its gradient, {name}",
            total / _ROUNDS.value / own,
            "<= 1.15" if name == "vgg16" else "reported",
            note=f"{total:.1f} s in all; its gradient takes "
            f"{np.median(own):.3f} s",
        )


@row
def tracing():
    """The first scores of ResNet-50 over later ones: what tracing costs."""
    model, x, y, loss = setting("resnet50")
    for method in ("snip", "grasp"):
        criterion = kprune.criteria.get(method)
        objective = kprune.Objective(model, (x[:8], y[:8]), loss)

        def scored(objective=objective, criterion=criterion):
            criterion(objective, objective.weights, objective.masks)

        first, later = seconds(scored), seconds(scored)
        yield figure(
            f"tracing {method}, ResNet-50",
            [first - later],
            "reported",
            unit="s",
            note="once per objective",
        )


@row
def top_k():
    """Exact selection among 25 million scores, by kind of ties."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=25_000_000).astype("float32")
    kinds = {
        "distinct": scores,
        "half zero": np.where(scores > 0, scores, 0),
        "all zero": np.zeros_like(scores),
    }
    for kind, array in kinds.items():
        times = [
            seconds(lambda a=array: kprune.masks.top_k(a, 2_500_000, rng))
            for _ in range(_REPEATS.value)
        ]
        yield figure(
            f"top-k of 25 million scores, {kind}", times, "<= 1.5 s", unit="s"
        )


@row
def import_time():
    """Importing kprune beyond importing TensorFlow and Keras."""
    code = (
        "import time, tensorflow, keras; start = time.perf_counter(); "
        "import kprune; print(time.perf_counter() - start)"
    )
    times = [
        float(
            subprocess.run(
                [sys.executable, "-c", code],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for _ in range(min(_REPEATS.value, 3))
    ]
    yield figure("import kprune beyond TensorFlow", times, "<= 0.5 s", unit="s")


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    unknown = set(_ROWS.value) - set(ROWS)
    if unknown:
        raise app.UsageError(
            f"Unknown rows {sorted(unknown)}. Expected of {sorted(ROWS)}"
        )
    print(
        f"kprune {kprune.__version__}, TensorFlow {tf.__version__}, Keras "
        f"{keras.__version__}, {os.cpu_count()} cores, {platform.machine()}, "
        f"batch {_BATCH_SIZE.value}, median of {_REPEATS.value}\n"
    )
    print("| what | measured | middle half | target | for scale |")
    print("|---|---|---|---|---|")
    for name, function in ROWS.items():
        if not _ROWS.value or name in _ROWS.value:
            for one in function():
                print(one.line(), flush=True)


if __name__ == "__main__":
    app.run(main)
