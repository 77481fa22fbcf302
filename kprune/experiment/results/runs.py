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

_SEARCH = "search.json"  # A search whose tickets are not trained yet.


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run, or a trained ticket.

    Args:
        path: Path of its directory, which tickets of a search share.
        config: `ConfigDict`, complete.
        result: Dict with `test_accuracy`, in [0, 1].
    """

    path: pathlib.Path
    config: ConfigDict
    result: dict


@dataclasses.dataclass(frozen=True)
class Found:
    """The contents of directories.

    Args:
        finished: List of the finished `Run`s.
        unfinished: List of the paths of unfinished runs.
        skipped: Dict from the path of an unreadable directory to the reason.
    """

    finished: list
    unfinished: list
    skipped: dict


def find(roots, but=None):
    """Returns the runs in and below directories, as `Found`.

    Args:
        roots: Iterable of paths of directories.
        but: Path of a directory to skip, or `None`.
    """
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
        ValueError: If it is not the directory of a run, or is damaged.
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
    """Returns the complete config of a run's directory; raises as `read`."""
    record = _record(pathlib.Path(path) / directory.CONFIG)
    if not isinstance(record.get("config"), dict):
        raise ValueError(f"{directory.CONFIG} was not written by kprune")
    return complete(record["config"])


def _add(found, path, runs_in):
    """Adds the runs of a directory, or the reason why it cannot be read."""
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
    """Returns whether a sweep made the directory but no run has started."""
    return bool(names) and set(names) <= {LOG, locks.NAME}


def _record(path):
    if not path.exists():
        raise ValueError(f"has no {path.name}")
    found = files.read_record(path)
    if found is None:
        raise ValueError(f"{path.name} cannot be read: it is damaged")
    return found
