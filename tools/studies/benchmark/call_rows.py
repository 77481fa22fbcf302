"""Rows of the benchmark: whole calls, first and later ones, in gradients."""

import functools
import json
import pathlib
import subprocess
import sys

import numpy as np

from benchmark import calls
from benchmark.measurements import measured

_BINARY = pathlib.Path(__file__).parents[1] / "run.py"
_LATER = {"snip": "<= 2.5", "grasp": "<= 6", "prospr": "<= 13"}
_LATER_SYNFLOW = {"resnet20": "<= 9"}
# A first call takes a first training step and at most so many later ones.
_FIRST = {"snip": "<= 5", "grasp": "<= 5"}
# Networks whose images are large, or that are there to show growth.
_DEEP = {
    "resnet50": ("snip", "grasp"),
    "resnet56": ("snip", "grasp"),
    "resnet110": ("snip", "grasp"),
}


@functools.cache
def times_of(name, network, batch_size, repeats):
    """Returns what a fresh process takes (see `calls.times_of`)."""
    flags = {
        "call_of": name,
        "networks": network,
        "batch_size": batch_size,
        "repeats": repeats,
    }
    given = [f"--{flag}={value}" for flag, value in flags.items()]
    command = [sys.executable, str(_BINARY), "benchmark", *given]
    return json.loads(subprocess.check_output(command).splitlines()[-1])


def whole_calls(flags):
    """Calls of `prune`, over a training step of the same network and batch."""
    repeats = min(flags.repeats, flags.long_repeats)
    for network in flags.networks:
        size = 8 if network == "resnet50" else flags.batch_size
        for name in flags.calls:
            if name not in _DEEP.get(network, flags.calls):
                continue
            yield from _of_call(name, network, size, repeats)


def _of_call(name, network, size, repeats):
    plain = times_of(calls.STEP, network, size, repeats)
    found = times_of(name, network, size, repeats)
    steps = np.array(found["steps"])
    unit = np.median(steps)
    before, most = (number / 1e9 for number in found["memory"])
    targets = _LATER_SYNFLOW if name == "synflow" else {network: "reported"}
    target = _LATER.get(name, targets.get(network, "reported"))
    yield measured(
        f"{name}, later calls / a step, {network}",
        np.array(found["later"]) / steps,
        target,
        note=f"a step takes {unit:.2f} s; {_told(found['later_parts'], unit)}",
    )
    beyond = found["first"] - plain["first"]
    yield measured(
        f"{name}, first call - first step, in later steps, {network}",
        [beyond / unit],
        _FIRST.get(name, "reported"),
        note=f"{found['first']:.1f} s, a first step {plain['first']:.1f} s; "
        f"{_told(found['first_parts'], unit)}; peak {most:.2f} GB, "
        f"{before:.2f} GB before",
    )


def _told(parts, unit):
    """Returns the parts of a call, in steps, as text."""
    shown = [
        f"{part} {parts[part] / unit:.2f}"
        for part in calls.PARTS
        if parts.get(part, 0) >= 0.005 * unit
    ]
    return ", ".join(shown)
