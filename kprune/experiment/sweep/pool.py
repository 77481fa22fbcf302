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

from kprune import experiment
from kprune.experiment.sweep import resources
from kprune.runtime import checks, files, locks
from kprune.runtime.doors import checked

# -P: a file of the current directory may be named like a module.
WORKER = [sys.executable, "-P", "-m", "kprune.experiment.sweep.worker"]
_PATIENCE = 5.0  # Seconds until a cell that another process runs is looked at.
_GRACE = 60.0  # Seconds for a worker to save what its run goes on from.


@checked(
    jobs=checks.at_least(1),
    cpus_per_run=checks.optional(checks.at_least(1)),
    gpus_per_run=checks.optional(resources.gpus_per_run),
)
@dataclasses.dataclass(frozen=True)
class LocalExecutor:
    """Runs a sweep's cells on worker processes of this machine.

    Args:
        jobs: Integer >= 1, how many cells to run at a time.
        cpus_per_run: Integer >= 1, how many threads a cell computes with.
            Defaults to an equal share of the cores.
        gpus_per_run: How many GPUs a cell sees: a whole number, or a share of
            one, such as 0.5 for two cells on each. By default one cell has
            all of them, and several take one each, in turn.
    """

    jobs: int = 1
    cpus_per_run: int | None = None
    gpus_per_run: float | None = None

    def check(self, distribute="none"):
        """Raises `ValueError` if the machine has not what this asks for, for
        runs with a `config.distribute`."""
        self._environments(self.jobs, distribute)

    def start(self, cells, runs, data_dir=None, distribute="none"):
        """Returns a `Pool` that is to run cells in directories below `runs`.

        Raises:
            ValueError: If the machine has fewer GPUs than that takes.
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


# Not `concurrent.futures.ProcessPoolExecutor`: when one worker of it is
# killed, as by the kernel for its memory, it ends all others and fails what
# waits. Its workers share one environment, so that GPUs and threads cannot be
# shared out; they get the terminal's Ctrl-C; and they compute on when the
# sweep was killed.
class Pool:
    """Runs cells on worker processes, one for each of some environments, in
    directories below `runs`, and tells of each when it is over."""

    def __init__(self, cells, runs, environments, data_dir=None):
        self._todo = collections.deque(cells)
        self._open = len(cells)
        self._runs = pathlib.Path(runs)
        self._data_dir = data_dir
        self._held = {}  # When a cell that another runs was looked at.
        self._outcomes = queue.Queue()
        self._lock = threading.Lock()
        self._stopping = False
        self._processes = {}
        self._environments = environments
        # What a worker writes outside of a cell, as TensorFlow does of the
        # hardware. What it writes in a cell goes to the cell's log.
        self._said = [files.scratch_file("w+") for _ in environments]

    def outcomes(self):
        """Starts the workers and yields (cell, outcome), as they come.

        An outcome is a dict with `result` or `error`, or with `held`, who runs
        a cell elsewhere. Such a cell is waited for, and comes again.
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

    def stop(self):
        """Asks the workers to save and end, and ends those that do not."""
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
        """Feeds one worker, which is started again when it dies."""
        while self._open and not self._stopping:
            cell = self._next()
            if cell is None:
                time.sleep(0.2)
                continue
            try:
                outcome = self._outcome(index, cell)
            except Exception as error:  # Or the sweep would wait for ever.
                outcome = {"error": f"{type(error).__name__}: {error}"}
            if outcome is None:
                return
            if "held" in outcome:
                self._held[cell.name] = time.monotonic()
                self._todo.append(cell)
            self._outcomes.put((cell, outcome))
        self._send_home(index)

    def _next(self):
        """Takes a cell that is due, or returns `None`."""
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
        """Returns a process that lives, or `None` while stopping."""
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
                    # Ctrl-C is for the sweep, which then asks its workers.
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
