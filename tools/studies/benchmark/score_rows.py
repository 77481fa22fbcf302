"""Rows of the benchmark: what scoring takes, in time, memory and traces.

A row is a function of the flags that yields measurements.
"""

import functools
import itertools
import json
import pathlib
import subprocess
import sys

import numpy as np

import kprune
from benchmark import scorings
from benchmark.measurements import measured
from benchmark.scorings import SCORINGS
from kprune.deploy.comparison.timing import alternate, seconds

_BINARY = pathlib.Path(__file__).parents[1] / "run.py"


@functools.cache
def memory_of(name, network, batch_size):
    """Returns the memory, in GB, that a fresh process held before it scored
    and at most."""
    what = f"--memory_of={name}", f"--networks={network}"
    size = f"--batch_size={batch_size}"
    command = [sys.executable, str(_BINARY), "benchmark", *what, size]
    found = json.loads(subprocess.check_output(command))
    return [number / 1e9 for number in found]


def in_gradients(scoring, what, target="reported", warm_up=None):
    """Returns the row of what a scoring takes in gradients of the same batch.

    The table calls it `what`, and says that it should be `target`. `warm_up` is
    a scoring that traces the same in less time, for one that takes ten
    gradients or more.
    """

    def row(flags):
        repeats, turns = flags.repeats, 1
        if warm_up:
            repeats, turns = min(repeats, flags.long_repeats), 3
        for network in flags.networks:
            given = scorings.setting(network, flags.batch_size)
            objective = scorings.objective_on(*given)
            gradient = scorings.stock_gradient(*given)
            SCORINGS[warm_up or scoring](objective), gradient()
            score = functools.partial(SCORINGS[scoring], objective)
            times, base = alternate(score, gradient, repeats, turns)
            note = f"a gradient takes {np.median(base):.2f} s"
            if flags.memory:
                own, stock = (
                    memory_of(name, network, flags.batch_size)[1]
                    for name in (scoring, scorings.GRADIENT)
                )
                note += f"; peak {own:.2f} GB, a gradient's {stock:.2f} GB"
            name = f"{what} / one gradient, {network}"
            yield measured(name, times / base, target, note=note)

    return row


_UNROLLED = "prospr_3_unrolled"
_PROSPR = (
    in_gradients("prospr_3", "ProsPr M = 3", "<= 11", "prospr_1"),
    in_gradients(_UNROLLED, "ProsPr M = 3, unrolled", warm_up=_UNROLLED),
    in_gradients("prospr_16", "ProsPr M = 16", warm_up="prospr_1"),
)


def prospr(flags):
    """ProsPr's scores after 3 inner steps, by the adjoint and by unrolled
    backpropagation, and after 16."""
    for row in _PROSPR:
        yield from row(flags)


def synflow_round(flags):
    """A round of SynFlow, over its scores by themselves."""
    rounds = kprune.recipes.get("synflow").rounds
    for network in flags.networks:
        given = scorings.setting(network, flags.batch_size)
        objective = scorings.objective_on(*given)
        flow, whole = (
            functools.partial(SCORINGS[name], objective)
            for name in ("flow", "synflow")
        )
        flow()
        repeats = min(flags.repeats, flags.long_repeats)
        times, own = alternate(whole, flow, repeats, turns=5)
        yield measured(
            f"SynFlow, a round of {rounds} / its gradient, {network}",
            times / rounds / own,
            "<= 1.15" if network == "vgg16" else "reported",
            note=f"{np.median(times):.1f} s in all; its gradient takes "
            f"{np.median(own):.3f} s",
        )


def prospr_memory(flags):
    """Peak memory of ProsPr after 16 inner steps over that after one."""
    for network in flags.networks:
        (_, one), (before, most) = (
            memory_of(name, network, flags.batch_size)
            for name in ("prospr_1", "prospr_16")
        )
        yield measured(
            f"peak memory, ProsPr M = 16 / M = 1, {network}",
            [most / one],
            "<= 1.1",
            note=f"{most:.2f} / {one:.2f} GB, of which {before:.2f} GB are "
            "there before the first score",
        )


def traces(flags):
    """How often a network is traced again after the first round."""
    methods = ("force", "synflow")
    for network, method in itertools.product(flags.networks, methods):
        # What is traced does not depend on the size of the batch.
        first, *_, last = counts = scorings.traces_by_round(method, network, 8)
        yield measured(
            f"traced after round 1 of {len(counts)}, {method}, {network}",
            [last - first],
            "0",
            unit="times",
            note=f"in round 1: {first}",
        )


def tracing(flags):
    """The first scores of ResNet-50 over later ones: what tracing costs."""
    model, x, y, loss = scorings.setting("resnet50", flags.batch_size)
    for method in ("snip", "grasp"):
        objective = kprune.Objective(model, (x[:8], y[:8]), loss)
        scored = functools.partial(SCORINGS[method], objective)
        first, later = seconds(scored), seconds(scored)
        yield measured(
            f"tracing {method}, ResNet-50",
            [first - later],
            unit="s",
            note="once per objective",
        )


def top_k(flags):
    """Exact selection among 25 million scores, by kind of ties."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=25_000_000).astype("float32")
    kinds = {
        "distinct": scores,
        "half zero": np.where(scores > 0, scores, 0),
        "all zero": np.zeros_like(scores),
    }
    for kind, array in kinds.items():
        select = functools.partial(kprune.masks.top_k, array, 2_500_000, rng)
        times = [seconds(select) for _ in range(flags.repeats)]
        what = f"top-k of 25 million scores, {kind}"
        yield measured(what, times, "<= 1.5 s", unit="s")
