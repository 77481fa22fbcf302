"""Kills runs of `kprune train` at random moments, and compares the ends.

    PYTHONPATH=.:tools python tests/support/killing.py DIRECTORY KILLS

trains one run to its end, and another that is killed KILLS times, by SIGKILL
and SIGTERM by turns, and started again each time. Its weights, masks and
metrics must be those of the first, to the bit. Images are cropped, flipped and
shuffled. A run that is to be killed waits for it some steps on, so that none
can end before. tests/cli/test_killed.py runs it.

To be called from the directory above tests/. Each run is a process of its own,
forked from this one, which has imported TensorFlow and computed nothing.
"""

import json
import os
import pathlib
import random
import select
import signal
import sys
import time

import keras
import numpy as np
from pipelines import Cifar

import kprune.cli.train  # noqa: F401  (Once, for all runs.)
import kprune_command
from kprune.datasets import storage
from kprune.experiment import training
from kprune.training.files import CheckpointFiles

IMAGES = 128
BATCH = 8
SETTINGS = (
    "--config=quickstart",
    "--config.dataset.name=cifar10",
    "--config.model.name=fc",
    "--config.model.widths=(16,)",
    "--method=magnitude",
    "--config.training.optimizer=torch_sgd",
    "--config.training.optimizer_options.momentum=0.9",
    "--config.training.optimizer_options.weight_decay=5e-4",
    "--config.checkpoint.every=3it",
    f"--batch_size={BATCH}",
)
STARTUP = 4.0  # Seconds in which a run is sometimes killed before it trains.
PATIENCE = 60.0  # Seconds in which a run that waits has to be killed.


def start(workdir, epochs, limit=None):
    """Starts a run, and returns its process number.

    Once it has saved a step that is not below `limit`, it waits for a signal.
    """
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    try:
        if limit is not None:
            wait_at(limit)
        log = os.open(f"{workdir}.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        storage.builder = lambda *_: Cifar(IMAGES, 40)
        training.saved_model.replace = lambda *_: (
            None
        )  # It takes longer than the training.
        flags = [*SETTINGS, f"--epochs={epochs}", f"--workdir={workdir}"]
        kprune_command.main(["kprune", "train", *flags])
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else 1)
    except BaseException:
        os._exit(1)
    os._exit(0)


def wait_at(limit):
    """Makes this process wait for a signal in saves from a step on."""
    save = CheckpointFiles.save
    # A byte for each signal that Python handles: one that came before the
    # wait ends it too.
    signals, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told)

    def save_and_wait(files, step, state):
        save(files, step, state)
        if step >= limit:
            select.select([signals], [], [], PATIENCE)

    CheckpointFiles.save = save_and_wait


def finish(child, workdir):
    """Waits for a run and raises unless it came to its end."""
    _, status = os.waitpid(child, 0)
    if status:
        log = pathlib.Path(f"{workdir}.log").read_text()
        raise RuntimeError(f"{workdir} ended with {status}:\n{log[-3000:]}")


def killed(workdir, epochs, kills, draws):
    """Runs to the end, killed on the way; yields how, and what it had saved."""
    # With what a save is late, at most three steps, all kills fit before the
    # end.
    longest = epochs * (IMAGES // BATCH) // (kills + 2)
    for kill in range(kills):
        how = (signal.SIGKILL, signal.SIGTERM)[kill % 2]
        before = last_step(workdir)
        child = start(workdir, epochs, before + longest)
        if kill > 1 and draws.random() < 0.25:
            time.sleep(draws.uniform(0, STARTUP))
        else:
            wait_for_step(workdir, before + draws.randint(1, longest))
            time.sleep(draws.uniform(0, 0.05))
        os.kill(child, how)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            raise RuntimeError(f"{workdir} ended before it was killed enough.")
        yield how.name, last_step(workdir)
    finish(start(workdir, epochs), workdir)


def last_step(workdir):
    names = [
        p.stem for p in pathlib.Path(workdir).glob("checkpoints/step-*.npz")
    ]
    return max((int(name.removeprefix("step-")) for name in names), default=-1)


def wait_for_step(workdir, step):
    end = time.time() + 120
    while last_step(workdir) < step and time.time() < end:
        time.sleep(0.002)


def contents(workdir):
    """Returns all that a run ends with, but for the time it took."""
    model = keras.saving.load_model(workdir / "model.keras", compile=False)
    found = {v.path: v.numpy() for v in model.variables}
    with np.load(workdir / "masks.npz") as masks:
        found.update({f"mask of {name}": masks[name] for name in masks.files})
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    for i, line in enumerate(lines):
        values = json.loads(line)
        del values["seconds"]
        found[f"line {i} of metrics.jsonl"] = np.array(sorted(values.items()))
    return found


def main(directory, kills):
    directory = pathlib.Path(directory)
    whole, broken = directory / "whole", directory / "broken"
    epochs = kills + 3
    finish(start(whole, epochs), whole)
    for how, step in killed(broken, epochs, kills, random.Random(kills)):
        print(f"{how} after step {step}")
    expected, found = contents(whole), contents(broken)
    if set(found) != set(expected):
        sys.exit(f"{set(found) ^ set(expected)}")
    for name, value in expected.items():
        if not np.array_equal(found[name], value):
            sys.exit(f"{name} differs")
    print("same to the bit")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
