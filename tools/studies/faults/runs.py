"""Runs that are killed at each file operation, and started again.

Each has to come to its end, with all files equal to those of a run that nobody
killed, and nothing else in the directory.
"""

import errno
import os
import pathlib
import random
import shutil
import subprocess
import sys

from faults import crash_states, equal_runs, kinds_of_runs
from faults.outcomes import Outcome

_NO_ROOM = os.strerror(errno.ENOSPC)
_KILLS = 4  # Real ones of each kind.


def measure(workdir, seeds, cases):
    """Returns an `Outcome` for each kind of run, and one of real kills."""
    del cases
    kinds = kinds_of_runs.kinds()
    recorded, found = {}, []
    for name, kind in kinds.items():
        states = recorded[name] = states_of(kind, workdir / name)
        found.append(resumed(kind, states))
    first = next(iter(kinds.values()))
    found.append(killed_again(first, recorded[first.name], workdir / "again"))
    other = kinds["GMP"]
    found.append(on_a_full_disk(other, recorded["GMP"], workdir / "full"))
    found.append(really_killed(recorded, workdir / "killed", seeds[0]))
    return found


def states_of(kind, folder, begin=None):
    """Runs a kind to its end, and returns the `States` on the way. It begins in
    a directory of its own, or in a copy of `begin`."""
    shutil.rmtree(folder, ignore_errors=True)
    states = crash_states.States(folder / "whole", folder / "states")
    if begin is not None:
        shutil.copytree(begin, states.whole, symlinks=True)
    with crash_states.listening(states.note):
        kind.start(states.whole)
    return states


def resumed(kind, states, paths=None):
    """Goes on from what kills leave, by default from each different state."""
    paths = states.paths if paths is None else paths
    failures = [
        f"{kind.name}, {path.name}: {fault}"
        for path in paths
        for fault in faults_of(kind, path, states.whole)
    ]
    what = f"killed at each file operation: {kind.name}"
    return Outcome(what, states.points, _said(len(paths), failures), failures)


def killed_again(kind, states, folder):
    """Kills runs that go on: one to which nothing but the end is missing, which
    makes again what is there, and one that starts over on what is there."""
    last = [p for p in states.paths if "DONE" not in os.listdir(p)][-1]
    over = shutil.copytree(states.whole, folder / "begin", dirs_exist_ok=True)
    (over / "DONE").unlink(missing_ok=True)
    failures, points, count = [], 0, 0
    for name, begin in {"makes again": last, "starts over": over}.items():
        again = states_of(kind, folder / name, begin)
        failures += [
            f"{kind.name}, which {name}, {path.name}: {fault}"
            for path in again.paths
            for fault in faults_of(kind, path, states.whole)
        ]
        points += again.points
        count += len(again.paths)
    what = f"killed while it goes on or starts over: {kind.name}"
    return Outcome(what, points, _said(count, failures), failures)


def on_a_full_disk(kind, states, folder):
    """Refuses all that needs room, from each file operation on, and goes on
    once there is room again."""
    shutil.rmtree(folder, ignore_errors=True)
    failures = []
    for point in range(states.points):
        directory = folder / f"{point:04d}"
        told = refused_from(kind, directory, point)
        where = f"{kind.name}, no room from {point} on"
        words = told is None or (_NO_ROOM in told and "\n" not in told)
        if not words or any(
            ".kprune-" in name for name in crash_states.names(directory)
        ):
            failures.append(f"{where}: {told}")
        failures += [
            f"{where}: {fault}"
            for fault in faults_of(kind, directory, states.whole)
        ]
        shutil.rmtree(directory)
    what = f"a disk that is full from an operation on: {kind.name}"
    wrong = len({failure.partition(": ")[0] for failure in failures})
    found = f"{states.points - wrong} said so in a sentence, left nothing "
    found += "half-made and finished afterwards, files equal"
    return Outcome(what, states.points, found, failures)


def refused_from(kind, directory, point):
    """Runs a kind on a disk that is full from an operation on, and returns what
    it says; `None` if it says nothing."""
    directory, left = directory.absolute(), [point]

    def note(event, path):
        if directory not in (path, *path.parents):
            return
        left[0] -= 1
        if left[0] < 0 and crash_states.needs_room(event):
            raise OSError(errno.ENOSPC, _NO_ROOM, str(path))

    try:
        with crash_states.listening(note):
            kind.start(directory)
    except (OSError, ValueError) as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}:\n{error}"
    return None


def _said(count, failures):
    wrong = len({failure.partition(": ")[0] for failure in failures})
    return f"{count - wrong} of {count} different states finished, files equal"


def faults_of(kind, directory, whole):
    """Returns what is wrong with a run that goes on in a directory."""
    try:
        kind.start(directory)
        return equal_runs.differences(directory, whole)
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]


def really_killed(recorded, folder, seed):
    """Kills processes at operations drawn at random, and goes on."""
    draws, failures, count = random.Random(seed), [], 0
    shutil.rmtree(folder, ignore_errors=True)
    for name, states in recorded.items():
        kind = kinds_of_runs.kinds()[name]
        for point in sorted(draws.sample(range(states.points), _KILLS)):
            count += 1
            directory = folder / f"{name} {point}"
            kill(name, directory, point)
            where = f"{name}, killed at {point}"
            if crash_states.names(directory) != states.named[point]:
                failures.append(f"{where}: it left other files than recorded")
            for fault in faults_of(kind, directory, states.whole):
                failures.append(f"{where}: {fault}")
    found = f"{count - len(failures)} left what was recorded and finished"
    return Outcome("processes really killed at one", count, found, failures)


def kill(name, directory, point):
    """Runs a kind in a process that dies before a file operation."""
    code = f"from faults import runs; runs.die({name!r}, {str(directory)!r}, "
    code += f"{point})"
    paths = [str(pathlib.Path(__file__).parents[1]), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env=environment, capture_output=True, check=False
    )
    if done.returncode != 9:
        raise RuntimeError(done.stderr.decode()[-2000:])


def die(name, directory, point):
    """Runs a kind, and ends this process before a file operation."""
    directory, left = pathlib.Path(directory).absolute(), [point]

    def note(event, path):
        del event
        if directory in (path, *path.parents):
            if left[0] == 0:
                os._exit(9)
            left[0] -= 1

    with crash_states.listening(note):
        kinds_of_runs.kinds()[name].start(directory)
