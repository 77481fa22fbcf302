"""Rows of the benchmark: whole calls, first and later ones, in gradients, and
beside those of other code."""

import functools
import json
import pathlib
import shlex
import subprocess
import sys
import time

import numpy as np

from benchmark import calls
from benchmark.measurements import measured
from kprune.deploy.comparison.timing import middle

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


def times_of(name, network, batch_size, repeats):
    """Returns what a fresh process takes (see `calls.times_of`)."""
    flags = {
        "call_of": name,
        "networks": network,
        "batch_size": batch_size,
        "repeats": repeats,
    }
    given = [f"--{flag}={value}" for flag, value in flags.items()]
    return _printed([sys.executable, str(_BINARY), "benchmark", *given])


_first_step = functools.cache(functools.partial(times_of, calls.STEP))


def whole_calls(flags):
    """Calls of `prune`, over a training step of the same network and batch."""
    for network in flags.networks:
        size = 8 if network == "resnet50" else flags.batch_size
        for name in flags.calls:
            if name not in _DEEP.get(network, flags.calls):
                continue
            how = name, network, size, min(flags.repeats, flags.long_repeats)
            other = None if network in _DEEP else flags.beside
            found = _by_turns(how, other, flags.processes, flags.seconds)
            ours, theirs = zip(*found, strict=True)
            yield from _in_steps(ours, *how)
            if other:
                yield from _beside(ours, theirs, name, network)


def _by_turns(how, other, processes, seconds):
    """Returns pairs of what fresh processes take, ours and that of other code
    or `None`: as many as are asked for, or as begin within some seconds."""
    found, start = [], time.monotonic()
    while len(found) < processes:
        ours = times_of(*how)
        command = [*shlex.split(other or ""), *map(str, how)]
        found.append((ours, _printed(command) if other else None))
        if seconds and time.monotonic() - start > seconds:
            break
    return found


def _printed(command):
    """Returns what a command prints last, as JSON."""
    return json.loads(subprocess.check_output(command).splitlines()[-1])


def _in_steps(found, name, network, size, repeats):
    plain = _first_step(network, size, repeats)
    steps, later = (
        np.concatenate([one[part] for one in found])
        for part in ("steps", "later")
    )
    unit, last = np.median(steps), found[-1]
    before, most = (number / 1e9 for number in last["memory"])
    targets = _LATER_SYNFLOW if name == "synflow" else {network: "reported"}
    target = _LATER.get(name, targets.get(network, "reported"))
    yield measured(
        f"{name}, later calls / a step, {network}",
        later / steps,
        target,
        note=f"a step takes {unit:.2f} s; {_told(last['later_parts'], unit)}",
    )
    first = np.array([one["first"] for one in found])
    yield measured(
        f"{name}, first call - first step, in later steps, {network}",
        (first - plain["first"]) / unit,
        _FIRST.get(name, "reported"),
        note=f"{np.median(first):.1f} s, a first step {plain['first']:.1f} s; "
        f"{_told(last['first_parts'], unit)}; peak {most:.2f} GB, "
        f"{before:.2f} GB before",
    )


def _beside(ours, theirs, name, network):
    """Yields our calls over those of other code, in pairs of processes."""
    for part in ("later", "first"):
        one, other = (
            np.array([np.median(found[part]) for found in side])
            for side in (ours, theirs)
        )
        note = f"{_seconds(one)} / {_seconds(other)}, {len(one)} pairs"
        what = f"{name}, {part} calls / the other code's, {network}"
        yield measured(what, one / other, "<= 1", note=note)


def _seconds(values):
    """Returns the median and the middle half of some seconds, as text."""
    median, (low, high) = middle(values)
    return f"{median:.2f} s ({low:.2f} to {high:.2f})"


def _told(parts, unit):
    """Returns the parts of a call, in steps, as text."""
    shown = [
        f"{part} {parts[part] / unit:.2f}"
        for part in calls.PARTS
        if parts.get(part, 0) >= 0.005 * unit
    ]
    return ", ".join(shown)
