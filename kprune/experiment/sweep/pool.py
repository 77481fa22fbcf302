"""A pool of worker processes that share the cells of a sweep."""

import collections
import contextlib
import dataclasses
import json
import pathlib
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from kprune import experiment
from kprune.experiment.sweep import resources
from kprune.runtime import checks, files, locks, types
from kprune.runtime.doors import checked

if TYPE_CHECKING:
    from kprune.experiment.sweep.grid import Cell

# -P: a file in the current directory must not shadow a module.
WORKER = [sys.executable, "-P", "-m", "kprune.experiment.sweep.worker"]
_PATIENCE = 5.0  # Seconds between two looks at a cell that is run elsewhere.
_GRACE = 60.0  # Seconds for a worker to save a checkpoint.


@checked(
    jobs=checks.at_least(1),
    cpus_per_run=checks.optional(checks.at_least(1)),
    gpus_per_run=checks.optional(resources.gpus_per_run),
)
@dataclasses.dataclass(frozen=True)
class LocalExecutor:
    """An executor that runs a sweep's cells on processes of this machine.

    Args:
        jobs: Integer >= 1, how many cells to run at a time. Defaults to 1.
        cpus_per_run: Integer >= 1, the threads of a cell. Defaults to an
            equal share of the cores.
        gpus_per_run: Number of GPUs that a cell sees: a whole number, or a
            share of one, such as 0.5 for two cells on each. By default a
            single cell sees all of them, and several take one each, in turn.
    """

    jobs: int = 1
    cpus_per_run: int | None = None
    gpus_per_run: float | None = None

    def check(self, distribute: str = "none") -> None:
        """Raises `ValueError` if the machine has fewer GPUs than asked for.

        Args:
            distribute: The `config.distribute` of the runs.
        """
        self._environments(self.jobs, distribute)

    def start(
        self,
        cells: Sequence["Cell"],
        runs: types.Path,
        data_dir: types.Path | None = None,
        distribute: str = "none",
    ) -> "Pool":
        """Returns a `Pool` that runs cells in directories below `runs`.

        Args:
            cells: Sequence of cells, from `grid.cells`.
            runs: Path of a directory.
            data_dir: As for `kprune.datasets.load`.
            distribute: The `config.distribute` of the cells.

        Raises:
            ValueError: If the machine has fewer GPUs than asked for.
        """
        jobs = min(self.jobs, len(cells))
        found = self._environments(jobs, distribute) if jobs else []
        return Pool(cells, runs, found, data_dir)

    def _environments(self, jobs, distribute):
        gpus = resources.gpus()
        if distribute != "none" and self.gpus_per_run is None:
            gpus = []  # Each cell takes them all.
        return resources.environments(
            jobs, gpus, self.gpus_per_run, self.cpus_per_run
        )


# Not `concurrent.futures.ProcessPoolExecutor`: if one of its workers is
# killed, as by the kernel for its memory, it ends all others and fails the
# waiting tasks. Its workers share one environment, so that GPUs and threads
# cannot be divided; they receive the terminal's Ctrl-C; and they continue
# after the sweep is killed.
class Pool:
    """A pool of worker processes that run cells and report their outcomes.

    Args:
        cells: Sequence of `Cell`s.
        runs: Path of the directory that holds the cells' directories.
        environments: List of dicts of environment variables, one per worker.
        data_dir: As for `kprune.datasets.load`.
    """

    def __init__(self, cells, runs, environments, data_dir=None):
        self._todo = collections.deque(cells)
        self._open = len(cells)
        self._runs = pathlib.Path(runs)
        self._data_dir = data_dir
        self._held = {}  # The time of the last look at a cell run elsewhere.
        self._outcomes = queue.Queue()
        self._lock = threading.Lock()
        self._stopping = False
        self._processes = {}
        self._environments = environments
        # A worker's standard error outside of cells, such as TensorFlow's
        # notes on the hardware. Within a cell it goes to the cell's log.
        self._said = [files.scratch_file("w+") for _ in environments]

    def outcomes(self) -> Iterator[tuple["Cell", dict[str, Any]]]:
        """Starts the workers and yields (cell, outcome), as they finish.

        An outcome is a dict with `result`, `error` or `held`, which names the
        process that runs the cell. Such a cell is yielded again when it ends.
        """
        threads = [
            threading.Thread(target=self._work, args=(i,), daemon=True)
            for i in range(len(self._environments))
        ]
        for thread in threads:
            thread.start()
        told = set()
        while self._open:
            cell, outcome = self._outcomes.get()
            if "held" not in outcome:
                self._open -= 1
            elif cell.name in told:
                continue
            else:
                told.add(cell.name)
            yield cell, outcome
        for thread in threads:
            thread.join()

    def stop(self) -> None:
        """Asks the workers to save and exit, and kills those that do not."""
        self._stopping = True
        with self._lock:
            processes = list(self._processes.values())
        for process in processes:
            process.send_signal(signal.SIGTERM)
        until = time.monotonic() + _GRACE
        try:
            for process in processes:
                process.wait(max(until - time.monotonic(), 0))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            for process in processes:
                process.kill()

    def _work(self, index):
        """Feeds one worker, and starts it again when it dies."""
        while self._open and not self._stopping:
            cell = self._next()
            if cell is None:
                time.sleep(0.2)
                continue
            try:
                outcome = self._outcome(index, cell)
            except Exception as error:  # Else the sweep would wait forever.
                outcome = {"error": f"{type(error).__name__}: {error}"}
            if outcome is None:
                return
            if "held" in outcome:
                self._held[cell.name] = time.monotonic()
                self._todo.append(cell)
            self._outcomes.put((cell, outcome))
        self._send_home(index)

    def _next(self):
        """Takes and returns a cell that is due, or returns `None`."""
        with self._lock:
            for cell in self._todo:
                seen = self._held.get(cell.name, -_PATIENCE)
                if time.monotonic() - seen >= _PATIENCE:
                    self._todo.remove(cell)
                    return cell
        return None

    def _outcome(self, index, cell):
        workdir = self._runs / cell.name
        if experiment.status(workdir, cell.config) == "finished":
            return {"result": experiment.result(workdir)}
        holder = locks.holder(workdir)
        if holder is not None:
            return {"held": holder}
        return self._run(index, cell, workdir)

    def _run(self, index, cell, workdir):
        process = self._worker(index)
        if process is None:
            return None
        task = {
            "config": cell.config.to_dict(),
            "workdir": str(workdir),
            "data_dir": self._data_dir,
        }
        try:
            process.stdin.write(json.dumps(task) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())
        except (OSError, ValueError):
            code = process.wait()
            if self._stopping:
                return None
            words = f" {self._last_words(index)}" if code > 0 else ""
            return {"error": f"Its process ended with exit code {code}.{words}"}

    def _last_words(self, index):
        """Returns the last line that a worker wrote to standard error."""
        self._said[index].seek(0)
        return (self._said[index].read().strip().splitlines() or [""])[-1]

    def _worker(self, index):
        """Returns a live process, or `None` while stopping."""
        with self._lock:
            if self._stopping:
                return None
            process = self._processes.get(index)
            if process is None or process.poll() is not None:
                process = subprocess.Popen(
                    WORKER,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._said[index],
                    text=True,
                    env=self._environments[index],
                    # Ctrl-C must reach the sweep only, which stops its workers.
                    start_new_session=True,
                )
                self._processes[index] = process
            return process

    def _send_home(self, index):
        process = self._processes.get(index)
        if process is not None and process.poll() is None:
            with contextlib.suppress(OSError):
                process.stdin.write("null\n")
                process.stdin.close()
            process.wait()
