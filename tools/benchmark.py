"""Measures what kprune costs, as ratios, and prints a Markdown table.

    python tools/benchmark.py
    python tools/benchmark.py --rows=snip,grasp --networks=resnet20 --repeats=5

Each ratio is taken in one process, with what it is compared to run in
alternation: before, between and after. The figures are the median over the
repeats and the spread of its middle half. Absolute times and memory are for
scale only: they belong to the machine. Peak memory is that of a fresh process
that scores once, Python, TensorFlow and tracing included.
"""

import functools
import itertools
import json
import os
import platform
import subprocess
import sys
import time

import command_line
import keras
import numpy as np
import removals
import scorings
import tensorflow as tf
from absl import app, flags
from figures import Figure, alternate, figure, seconds
from scorings import SCORINGS

import kprune
from kprune.deploy.comparison.timing import compare_times

_ROWS = flags.DEFINE_list("rows", [], "Rows to measure. Defaults to all.")
_NETWORKS = flags.DEFINE_list(
    "networks", ["resnet20", "vgg16"], "Networks, by name in kprune.models."
)
_SHRUNK = flags.DEFINE_list(
    "shrunk_networks",
    ["resnet18", "vgg16"],
    "Networks of the row `shrink`, by name in kprune.models.",
)
_REPEATS = flags.DEFINE_integer("repeats", 21, "Alternations per ratio.", 1)
_LONG_REPEATS = flags.DEFINE_integer(
    "long_repeats",
    5,
    "Alternations, at most, per ratio of what takes ten gradients or more.",
    1,
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 128, "Examples.", 1)
_MEMORY = flags.DEFINE_bool(
    "memory", True, "Whether to add the peak memory of each scoring."
)
_MEMORY_OF = flags.DEFINE_enum(
    "memory_of",
    None,
    [scorings.GRADIENT, *SCORINGS],
    "Runs this alone, once, on the network given, and prints as JSON the most "
    "memory held before it and in all, in bytes. The rows start themselves "
    "so, each time in a fresh process.",
)

ROWS = {}


def row(function):
    """Puts a function that yields figures into the table."""
    ROWS[function.__name__] = function
    return function


def setting(network):
    return scorings.setting(network, _BATCH_SIZE.value)


@functools.cache
def memory_of(name, network):
    """Returns the memory, in GB, that a fresh process held before it scored
    and at most."""
    command = [
        sys.executable,
        os.path.abspath(__file__),
        f"--memory_of={name}",
        f"--networks={network}",
        f"--batch_size={_BATCH_SIZE.value}",
    ]
    found = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return [number / 1e9 for number in json.loads(found.stdout)]


@row
def training_step():
    """A step of training with masks over one without."""
    for name in _NETWORKS.value:
        dense, x, y, loss = setting(name)
        masked = kprune.prune(dense, "random", 0.9)
        for model in (dense, masked):
            model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss)
        steps = [
            functools.partial(model.train_on_batch, x, y)
            for model in (masked, dense)
        ]
        for step in steps:
            step()
        times, base = alternate(*steps, _REPEATS.value)
        yield figure(
            f"training step, masked / dense, {name}",
            times / base,
            "<= 1.03",
            note=f"a dense step takes {np.median(base):.2f} s",
        )


@row
def pruning_while_training():
    """A hundred steps with one update of the masks, over fixed masks."""
    for name in _NETWORKS.value:
        dense, x, y, loss = setting(name)
        batches = tf.data.Dataset.from_tensors((x, y)).repeat()
        updates = {
            "RigL": lambda: [
                kprune.callbacks.DynamicSparseTraining(
                    "rigl", every="100it", end="1000it"
                )
            ],
            "GMP": lambda: [
                kprune.callbacks.GradualPruning(
                    "gmp", 0.9, every="100it", end="1000it"
                )
            ],
            "static": list,
        }
        runs = []
        for callbacks in updates.values():
            model = kprune.prune(dense, "random", 0.5)
            model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss)
            runs.append(
                functools.partial(hundred_steps, model, batches, callbacks)
            )
        repeats = min(_REPEATS.value, _LONG_REPEATS.value)
        found = np.array([[run() for run in runs] for _ in range(repeats)])
        *pruned, static = found.T
        for method, times in zip(updates, pruned, strict=False):
            yield figure(
                f"100 steps with an update, {method} / static, {name}",
                times / static,
                "<= 1.05",
                note=f"a static step takes {np.median(static) / 100:.2f} s",
            )


def hundred_steps(model, batches, callbacks):
    """Returns the seconds of 100 steps, of which one updates the masks.

    What comes before them traces: a first update is among that.
    """
    times = []

    class Stopwatch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            times.append(time.perf_counter())

    model.fit(
        batches,
        steps_per_epoch=202,
        callbacks=[*callbacks(), Stopwatch()],
        shuffle=False,
        verbose=0,
    )
    return times[201] - times[101]


def in_gradients(scoring, what, target, warm_up=None):
    """Yields what a scoring takes in gradients of the same batch.

    Args:
        scoring: Name in `SCORINGS`.
        what: What the table calls it.
        target: What the table says it should be.
        warm_up: Name of a scoring that traces the same in less time, for one
            that takes ten gradients or more.
    """
    repeats, turns = _REPEATS.value, 1
    if warm_up:
        repeats, turns = min(repeats, _LONG_REPEATS.value), 3
    for network in _NETWORKS.value:
        given = setting(network)
        objective = scorings.objective_on(*given)
        gradient = scorings.stock_gradient(*given)
        SCORINGS[warm_up or scoring](objective), gradient()
        times, base = alternate(
            functools.partial(SCORINGS[scoring], objective),
            gradient,
            repeats,
            turns,
        )
        note = f"a gradient takes {np.median(base):.2f} s"
        if _MEMORY.value:
            own, stock = (
                memory_of(name, network)[1]
                for name in (scoring, scorings.GRADIENT)
            )
            note += f"; peak {own:.2f} GB, a gradient's {stock:.2f} GB"
        yield figure(
            f"{what} / one gradient, {network}", times / base, target, note=note
        )


@row
def snip():
    """SNIP's scores."""
    yield from in_gradients("snip", "snip scores", "<= 1.15")


@row
def grasp():
    """GraSP's scores."""
    yield from in_gradients("grasp", "grasp scores", "<= 3.5")


@row
def force():
    """All rounds of FORCE, selection included."""
    yield from in_gradients("force", "FORCE T = 60, all", "<= 66", "snip")


@row
def synflow():
    """All rounds of SynFlow, selection included."""
    yield from in_gradients(
        "synflow", "SynFlow T = 100, all", "reported", "flow"
    )


@row
def synflow_round():
    """A round of SynFlow, over its scores by themselves."""
    rounds = kprune.recipes.get("synflow").rounds
    for network in _NETWORKS.value:
        objective = scorings.objective_on(*setting(network))
        flow, whole = (
            functools.partial(SCORINGS[name], objective)
            for name in ("flow", "synflow")
        )
        flow()
        repeats = min(_REPEATS.value, _LONG_REPEATS.value)
        times, own = alternate(whole, flow, repeats, turns=5)
        yield figure(
            f"SynFlow, a round of {rounds} / its gradient, {network}",
            times / rounds / own,
            "<= 1.15" if network == "vgg16" else "reported",
            note=f"{np.median(times):.1f} s in all; its gradient takes "
            f"{np.median(own):.3f} s",
        )


@row
def prospr():
    """ProsPr's scores after 3 inner steps, by the adjoint and by unrolled
    backpropagation, and after 16."""
    for name, what, target in (
        ("prospr_3", "M = 3", "<= 11"),
        ("prospr_3_unrolled", "M = 3, unrolled", "reported"),
        ("prospr_16", "M = 16", "reported"),
    ):
        warm_up = name if "unrolled" in name else "prospr_1"
        yield from in_gradients(name, f"ProsPr {what}", target, warm_up)


@row
def prospr_memory():
    """Peak memory of ProsPr after 16 inner steps over that after one."""
    for network in _NETWORKS.value:
        (_, one), (before, most) = (
            memory_of(name, network) for name in ("prospr_1", "prospr_16")
        )
        yield figure(
            f"peak memory, ProsPr M = 16 / M = 1, {network}",
            [most / one],
            "<= 1.1",
            note=f"{most:.2f} / {one:.2f} GB, of which {before:.2f} GB are "
            "there before the first score",
        )


@row
def shrink():
    """A network over the same without half of its channels."""
    for network in _SHRUNK.value:
        models = removals.shrunk(network)
        yield from bought(f"shrink, {network}", *models, batch_size=32)


@row
def compact():
    """A dense network over the same without what SNIP cuts off."""
    models = removals.compacted()
    yield from bought("compact, lenet_300_100", *models, batch_size=128)


def bought(what, dense, small, batch_size):
    """Yields what a smaller model takes of the dense one's size and time."""
    targets = removals.TARGETS.get(what, {})
    compared = kprune.compare(
        dense,
        small,
        batch_size=batch_size,
        repeats=_REPEATS.value,
        verbose=0,
    )
    for one in compared.rows:
        spread = one.spread or (one.ratio, one.ratio)
        note = f"{_number(one.before)} to {_number(one.after)} {one.unit}"
        yield Figure(
            f"{what}: {one.name}",
            one.ratio,
            spread,
            targets.get(one.name, "reported"),
            note.rstrip(),
        )
    lite = [removals.lite(model) for model in (dense, small)]
    if None not in lite:
        found = compare_times(*lite, _REPEATS.value)
        name = "LiteRT, batch 1"
        yield Figure(
            f"{what}: {name}",
            found.ratio,
            found.spread,
            targets.get(name, "reported"),
            f"{1000 * found.before:.3f} to {1000 * found.after:.3f} ms",
        )


def _number(value):
    return f"{value:,}" if isinstance(value, int) else f"{value:.2f}"


@row
def traces():
    """How often a network is traced again after the first round."""
    for network, method in itertools.product(
        _NETWORKS.value, ("force", "synflow")
    ):
        # What is traced does not depend on the size of the batch.
        first, *_, last = counts = scorings.traces_by_round(method, network, 8)
        yield figure(
            f"traced after round 1 of {len(counts)}, {method}, {network}",
            [last - first],
            "0",
            unit="times",
            note=f"in round 1: {first}",
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
    if _MEMORY_OF.value is not None:
        (network,) = _NETWORKS.value
        print(
            json.dumps(
                scorings.memory_of(_MEMORY_OF.value, network, _BATCH_SIZE.value)
            )
        )
        return
    unknown = set(_ROWS.value) - set(ROWS)
    if unknown:
        raise app.UsageError(
            f"Unknown rows {sorted(unknown)}. Expected of {sorted(ROWS)}"
        )
    print(
        f"kprune {kprune.__version__}, TensorFlow {tf.__version__}, Keras "
        f"{keras.__version__}, {os.cpu_count()} cores, {platform.machine()}, "
        f"batch {_BATCH_SIZE.value}, median of {_REPEATS.value}, of "
        f"{min(_REPEATS.value, _LONG_REPEATS.value)} where one takes ten "
        "gradients or more\n"
    )
    print("| what | measured | middle half | target | for scale |")
    print("|---|---|---|---|---|")
    for name, function in ROWS.items():
        if not _ROWS.value or name in _ROWS.value:
            for one in function():
                print(one.line(), flush=True)


if __name__ == "__main__":
    app.run(main, flags_parser=command_line.parse)
