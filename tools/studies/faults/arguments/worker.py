"""Runs cases one by one, and writes what came of each."""

import contextlib
import io
import json
import os
import pathlib
import signal
import sys
import time
import warnings

import numpy as np

from faults.arguments import LIMIT, calls, table, values, verdicts, world


def main():
    """Runs the cases that the command line names."""
    path, workdir, *span = sys.argv[1:]
    seed, first, stop = map(int, span)
    directory = pathlib.Path(workdir, f"cases_{seed}_{first}")
    directory.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        for record in run(directory, seed, range(first, stop)):
            file.write(json.dumps(record) + "\n")
            file.flush()
    os._exit(0)  # Threads of endless data would hold the process.


def run(directory, seed, numbers, limit=LIMIT, light=False):
    """Yields what came of each case, a dict.

    Args:
        directory: Path that cases may write to; they run in it.
        seed, numbers: What the cases follow from.
        limit: Seconds that each may take.
        light: Whether to leave out calls that take long.
    """
    with contextlib.chdir(directory), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        here, found = _begin(directory, light)
        for number in numbers:
            record, sound = _case(here, found, seed, number, limit)
            yield record
            if not sound:
                here, found = _begin(directory, light)


def _begin(directory, light):
    here = world.World(pathlib.Path(directory))
    return here, table.calls(here, light)


def _case(here, found, seed, number, limit):
    """Runs a case. Returns its record, and whether the models are sound."""
    rng = np.random.default_rng([seed, number])
    chances = np.array([call.chance for call in found], float)
    call = found[rng.choice(len(found), p=chances / chances.sum())]
    given, told = _arguments(call, here, rng)
    function = call.function()
    before, random = world.globals_now(), world.random_now()
    began = time.monotonic()
    kind, what = _outcome(function, given, limit)
    failed = kind != "taken"
    now = {**world.globals_now(), **(world.random_now() if failed else {})}
    wrong = [n for n in now if now[n] != {**before, **random}[n]]
    changed = here.changed()
    if wrong or (changed and (failed or not call.changes)):
        kind, what = "changed", f"{wrong} {changed} by {kind}: {what}"
    record = {
        "number": number,
        "kind": kind,
        "call": f"{call.name}({told})",
        "what": what[:600],
        "seconds": round(time.monotonic() - began, 2),
    }
    return record, (not changed or here.restore()) and not wrong


def _arguments(call, here, rng):
    """Returns the arguments of a case, and the wrong ones in words."""
    given = {name: calls.value(v) for name, v in call.arguments.items()}
    count = min(1 + int(rng.random() < 0.15), len(given))
    told = []
    for place in sorted(rng.permutation(len(given))[:count]):
        name = list(given)[place]
        label, given[name] = values.draw(rng, here, name)
        told.append(f"{name}={label}")
    return given, ", ".join(told)


def _outcome(function, given, limit):
    def alarm(*_):
        raise verdicts.EndlessError(f"no end within {limit} s")

    former = signal.signal(signal.SIGALRM, alarm)
    signal.setitimer(signal.ITIMER_REAL, limit, 1)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            found = function(**given)
            calls.use(found)
    except (Exception, SystemExit, verdicts.EndlessError) as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        return verdicts.of(error)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
    return "taken", type(found).__name__
