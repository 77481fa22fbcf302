"""Submits and watches the cells of a sweep that a cluster runs."""

import abc
import os
import pathlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kprune import experiment
from kprune.experiment.sweep import resources
from kprune.experiment.sweep.worker import perform
from kprune.runtime import locks

if TYPE_CHECKING:
    from kprune.experiment.sweep.grid import Cell

PATIENCE = 5.0  # Seconds between two looks at a cell that is run elsewhere.
_PAUSE = 1.0  # Seconds between two polls.


class Remote(abc.ABC):
    """Cells that run on a cluster, in directories below `runs`.

    All hosts of the cluster must see `runs` under the same path. A subclass
    implements `submit`, `poll` and `cancel` for its kind of cluster.
    """

    def __init__(self, cells, runs, data_dir=None):
        self._todo = list(cells)
        self._runs = pathlib.Path(runs).absolute()
        self._data_dir = data_dir and os.path.abspath(data_dir)
        self._running = {}  # (cell, handle) by the cell's name.
        self._told = set()

    @abc.abstractmethod
    def submit(self, cells):
        """Submits cells, and returns a list with a handle for each."""

    @abc.abstractmethod
    def poll(self, submitted):
        """Returns the outcomes of the cells that have ended, by name.

        `submitted` is a dict from names to handles. Each outcome is as
        `worker.perform` returns it.
        """

    @abc.abstractmethod
    def cancel(self, submitted):
        """Asks submitted cells, a dict of handles by name, to save and end."""

    def outcomes(self) -> Iterator[tuple["Cell", dict[str, Any]]]:
        """Runs the cells and yields (cell, outcome), as they finish.

        An outcome is a dict with `result`, `error` or `held`, which names the
        process that runs the cell. Such a cell is yielded again when it ends.
        """
        seen = -PATIENCE
        while self._todo or self._running:
            if self._todo and time.monotonic() - seen >= PATIENCE:
                yield from self._begin()
                seen = time.monotonic()
            yield from self._collect()
            if self._todo or self._running:
                time.sleep(_PAUSE)

    def stop(self) -> None:
        """Asks the running cells to save and end."""
        self.cancel({name: sent for name, (_, sent) in self._running.items()})

    def task(self, cell):
        """Returns the dict that `run_here` takes for a cell, for JSON."""
        return {
            "config": cell.config.to_dict(),
            "workdir": str(self._runs / cell.name),
            "data_dir": self._data_dir,
            "current": os.getcwd(),
        }

    def _begin(self):
        """Submits the cells that no process runs, and yields the others."""
        free, held = [], []
        for cell in self._todo:
            try:
                outcome = self._known(cell)
            except ValueError as error:  # The directory is damaged.
                outcome = {"error": f"ValueError: {error}"}
            if outcome is None:
                free.append(cell)
            elif "held" in outcome:
                held.append(cell)
                yield from self._once(cell, outcome)
            else:
                yield cell, outcome
        self._todo = held
        sent = self.submit(free) if free else []
        for cell, one in zip(free, sent, strict=True):
            self._running[cell.name] = cell, one

    def _known(self, cell):
        """Returns the outcome of a cell, or `None` if it must be submitted."""
        workdir = self._runs / cell.name
        if experiment.status(workdir, cell.config) == "finished":
            return {"result": experiment.result(workdir)}
        holder = locks.holder(workdir)
        return None if holder is None else {"held": holder}

    def _collect(self):
        if not self._running:
            return
        sent = {name: sent for name, (_, sent) in self._running.items()}
        for name, outcome in self.poll(sent).items():
            cell, _ = self._running.pop(name)
            if "held" in outcome:
                self._todo.append(cell)
                yield from self._once(cell, outcome)
            else:
                yield cell, outcome

    def _once(self, cell, outcome):
        if cell.name not in self._told:
            self._told.add(cell.name)
            yield cell, outcome


def run_here(task):
    """Runs a cell in this process, on a host of the cluster.

    It changes to the directory where the sweep was started, so that the
    user's own modules are found.

    Returns:
        The outcome, as `worker.perform` returns it.
    """
    try:
        os.chdir(task["current"])
    except OSError as error:
        return {"error": f"{task['current']}: {error.strerror}."}
    return perform(task)


def variables(cpus):
    """Returns the environment variables for a cell with `cpus` threads."""
    return {**resources.search_path(), **resources.of_threads(cpus)}
