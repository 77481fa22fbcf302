"""Reads the runs below some directories."""

import dataclasses
import os
import pathlib

from ml_collections import ConfigDict

from kprune.experiment import directory
from kprune.experiment.config import complete
from kprune.experiment.sweep.worker import LOG
from kprune.experiment.tickets import records
from kprune.runtime import files, locks

_SEARCH = "search.json"  # Of a search for tickets that none is trained of yet.


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run, or a ticket that was found and trained.

    Tickets of a search share a directory. The config is complete, and the
    result a dict with `test_accuracy`, in [0, 1].
    """

    path: pathlib.Path
    config: ConfigDict
    result: dict


@dataclasses.dataclass(frozen=True)
class Found:
    """What there is in some directories: the finished `Run`s by path, the paths
    of those that are not, and why others could not be read, by path."""

    finished: list
    unfinished: list
    skipped: dict


def find(roots, but=None):
    """Returns what is `Found` in and below some directories, but for one."""
    found = Found([], [], {})
    but = None if but is None else pathlib.Path(but).resolve()
    for root in roots:
        if not os.path.isdir(root):
            raise ValueError(f"Expected a directory. Received: --runs={root}")
        for folder, below, names in os.walk(root):
            below.sort()
            path = pathlib.Path(folder)
            if path.resolve() == but:
                below.clear()
            elif {directory.CONFIG, directory.DONE} & set(names):
                below.clear()
                _add(found, path, _run_in)
            elif records.RECORDS in names:
                below.clear()
                _add(found, path, _tickets_in)
            elif _SEARCH in names:
                below.clear()
                found.unfinished.append(path)
            elif _is_waiting(names):
                found.unfinished.append(path)
            elif names and not below:
                found.skipped[path] = f"has no {directory.CONFIG}"
    return found


def read(path):
    """Returns the `Run` in a directory, or `None` if it is not finished.

    Raises:
        ValueError: If it is not the directory of a run, or damaged.
    """
    path = pathlib.Path(path)
    config = config_of(path)
    if not (path / directory.DONE).exists():
        return None
    _record(path / directory.DONE)
    result = directory.result(path)
    accuracy = result.get("test_accuracy")
    if not isinstance(accuracy, (int, float)):
        raise ValueError(f"{directory.DONE} has no test_accuracy")
    return Run(path, config, result)


def config_of(path):
    """Returns the config of a run's directory, complete; raises as `read`."""
    record = _record(pathlib.Path(path) / directory.CONFIG)
    if not isinstance(record.get("config"), dict):
        raise ValueError(f"{directory.CONFIG} was not written by kprune")
    return complete(record["config"])


def _add(found, path, runs_in):
    """Adds the runs of a directory, or says why there are none."""
    try:
        runs = runs_in(path)
    except ValueError as error:
        found.skipped[path] = str(error)
        return
    if runs is None:
        found.unfinished.append(path)
    else:
        found.finished.extend(runs)


def _run_in(path):
    run = read(path)
    return None if run is None else [run]


def _tickets_in(path):
    results = records.read(_record(path / records.RECORDS))
    return [Run(path, *result) for result in results]


def _is_waiting(names):
    """Whether a sweep has taken the directory, and nothing else has yet."""
    return bool(names) and set(names) <= {LOG, locks.NAME}


def _record(path):
    if not path.exists():
        raise ValueError(f"has no {path.name}")
    found = files.read_record(path)
    if found is None:
        raise ValueError(f"{path.name} cannot be read: it is damaged")
    return found
