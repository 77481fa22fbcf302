"""A worker process that runs cells one after the other.

It reads a line of JSON for each cell from standard input: `config`, `workdir`
and `data_dir`. It answers on standard output with a line that has `result`,
`held` (the process that runs the cell) or `error`. The output of the cell goes
to `sweep.log` in its directory. A line of `null` ends the worker.

If the input closes before that, the sweep is dead: the worker sends itself
SIGTERM, on which a run saves a checkpoint.
"""

import contextlib
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback

import keras

from kprune import experiment
from kprune.experiment import directory
from kprune.runtime import files, locks

LOG = "sweep.log"


def main():
    answers = os.fdopen(os.dup(1), "w")
    tasks = queue.Queue()
    threading.Thread(target=_read, args=(tasks,), daemon=True).start()
    while (task := tasks.get()) is not None:
        answers.write(json.dumps(perform(task)) + "\n")
        answers.flush()


def perform(task, callbacks=()):
    """Runs a cell, unless it is finished or another process runs it.

    Args:
        task: Dict of `config`, `workdir` and `data_dir`.
        callbacks: Further Keras callbacks.

    Returns:
        Dict with `result`, `held` or `error`.
    """
    workdir = task["workdir"]
    try:
        with directory.held(workdir), _logged(os.path.join(workdir, LOG)):
            return _outcome(task, workdir, callbacks)
    except locks.Held as error:
        return {"held": error.holder}
    except OSError as error:
        return {"error": f"{type(error).__name__}: {error}"}


def _outcome(task, workdir, callbacks):
    sys.stdout.write(f"{time.ctime()}, process {os.getpid()}\n")
    try:
        config = experiment.complete(task["config"])
        keras.backend.clear_session()
        keras.utils.set_random_seed(config.seed)
        # `verbose=2` prints a line per epoch.
        result = experiment.run(config, workdir, task["data_dir"], 2, callbacks)
    except Exception as error:
        traceback.print_exc()
        lines = str(error).strip().splitlines() or [""]
        return {"error": f"{type(error).__name__}: {lines[0]}"}
    return {"result": result}


@contextlib.contextmanager
def _logged(path):
    """Appends all output of the process, C++ included, to a file."""
    before = {fd: os.dup(fd) for fd in (1, 2)}
    try:
        with files.appended(path) as file:
            for fd in before:
                os.dup2(file.fileno(), fd)
            with (
                contextlib.redirect_stdout(file),
                contextlib.redirect_stderr(file),
            ):
                yield
    finally:
        for fd, real in before.items():
            os.dup2(real, fd)
            os.close(real)


def _read(tasks):
    for line in sys.stdin:
        task = json.loads(line)
        tasks.put(task)
        if task is None:
            return
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
