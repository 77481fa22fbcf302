"""Cells of a sweep that a cluster runs: submitted, watched, and looked at again
while another process runs them."""

import abc
import os
import pathlib
import time

from kprune import experiment
from kprune.experiment.sweep import resources
from kprune.experiment.sweep.worker import perform
from kprune.runtime import locks

PATIENCE = 5.0  # Seconds until a cell that another process runs is looked at.
_PAUSE = 1.0  # Seconds between two looks at what is submitted.


class Remote(abc.ABC):
    """Runs cells on a cluster, in directories below `runs`, which all its hosts
    see by the same path, and tells of each when it is over.

    A cluster says how to `submit`, `poll` and `cancel`.
    """

    def __init__(self, cells, runs, data_dir=None):
        self._todo = list(cells)
        self._runs = pathlib.Path(runs).absolute()
        self._data_dir = data_dir and os.path.abspath(data_dir)
        self._running = {}  # (cell, what was submitted) by the cell's name.
        self._told = set()

    @abc.abstractmethod
    def submit(self, cells):
        """Returns what stands for each cell once it is submitted: a list."""

    @abc.abstractmethod
    def poll(self, submitted):
        """Returns the outcomes of those of a dict of submitted cells that are
        over, by name: each as `worker.perform` returns it."""

    @abc.abstractmethod
    def cancel(self, submitted):
        """Lets what is submitted save and end: a dict of it by name."""

    def outcomes(self):
        """Yields (cell, outcome) of each cell, as they come.

        An outcome is a dict with `result` or `error`, or with `held`, who runs
        a cell elsewhere. Such a cell is waited for, and comes again.
        """
        seen = -PATIENCE
        while self._todo or self._running:
            if self._todo and time.monotonic() - seen >= PATIENCE:
                yield from self._begin()
                seen = time.monotonic()
            yield from self._collect()
            if self._todo or self._running:
                time.sleep(_PAUSE)

    def stop(self):
        """Asks the cells under way to save and end."""
        self.cancel({name: sent for name, (_, sent) in self._running.items()})

    def task(self, cell):
        """Returns what `run_here` needs of a cell: a dict of JSON."""
        return {
            "config": cell.config.to_dict(),
            "workdir": str(self._runs / cell.name),
            "data_dir": self._data_dir,
            "current": os.getcwd(),
        }

    def _begin(self):
        """Submits the cells that nobody runs, and tells of the others."""
        free, held = [], []
        for cell in self._todo:
            try:
                outcome = self._known(cell)
            except ValueError as error:  # Of a directory that is damaged.
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
        """Returns the outcome of a cell that is not to be submitted."""
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
    """Runs a cell in this process, on the host that a cluster chose, and
    returns its outcome; what is a user's own is found where the sweep was
    started."""
    try:
        os.chdir(task["current"])
    except OSError as error:
        return {"error": f"{task['current']}: {error.strerror}."}
    return perform(task)


def variables(cpus):
    """Returns the environment variables of a process that runs a cell with
    `cpus` threads."""
    return {**resources.search_path(), **resources.of_threads(cpus)}
