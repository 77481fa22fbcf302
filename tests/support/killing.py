"""Kills runs of tools/train.py at random moments, and compares the ends.

    PYTHONPATH=tools python tests/support/killing.py DIRECTORY KILLS

trains one run to its end, and two more that are killed KILLS times each, one
with SIGKILL, one with SIGTERM, and started again each time. Their weights,
masks and metrics must be those of the first, to the bit. Images are cropped,
flipped and shuffled. A run that is to be killed waits for it some steps on, so
that none can end before. tests/tools/test_killed.py runs it.

To be called from the directory above tests/. Each run is a process of its own,
forked from this one, which has imported TensorFlow and computed nothing.
"""

import contextlib
import io
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
import tensorflow_datasets as tfds
import train

from kprune.training.files import CheckpointFiles

IMAGES = 256
SETTINGS = (
    "--config=configs/quickstart.py",
    "--config.dataset.name=cifar10",
    "--config.model.name=fc",
    "--config.model.widths=(64,)",
    "--config.training.optimizer=torch_sgd",
    "--config.training.optimizer_options.momentum=0.9",
    "--config.training.optimizer_options.weight_decay=5e-4",
    "--config.checkpoint.every=3it",
    "--batch_size=8",
    "--epochs=8",
)
STEPS = 8 * IMAGES // 8
STARTUP = 4.0  # Seconds in which a run is sometimes killed before it trains.
PATIENCE = 60.0  # Seconds in which a run that waits has to be killed.


class Cifar10(tfds.core.GeneratorBasedBuilder):
    """A small set that lies where the real one would."""

    VERSION = tfds.core.Version("3.0.2")

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(32, 32, 3)),
            "label": tfds.features.ClassLabel(num_classes=10),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager):
        return {"train": self._images(IMAGES), "test": self._images(40)}

    def _generate_examples(self):
        raise NotImplementedError

    def _images(self, count):
        draws = np.random.default_rng(count)
        for k in range(count):
            image = draws.integers(0, 256, (32, 32, 3), np.uint8)
            yield k, {"image": image, "label": k % 10}


def start(data_dir, workdir, limit=None):
    """Starts a run, and returns its process number.

    Once it has saved a step that is not below `limit`, it waits for a signal.
    """
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    where = [f"--data_dir={data_dir}", f"--workdir={workdir}"]
    argv = ["tools/train.py", *SETTINGS, *where]
    sys.argv = argv  # Where the config's flags look.
    try:
        if limit is not None:
            wait_at(limit)
        log = os.open(f"{workdir}.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        train.main(train.command_line.parse(argv))
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


def killed(number, data_dir, workdir, kills, draws):
    """Runs to the end, killed on the way; returns the steps it went on from."""
    steps = []
    # With what a save is late, at most three steps, all kills fit before the
    # end.
    longest = STEPS // (kills + 2)
    while len(steps) < kills:
        before = last_step(workdir)
        child = start(data_dir, workdir, before + longest)
        if draws.random() < 0.25:
            time.sleep(draws.uniform(0, STARTUP))
        else:
            wait_for_step(workdir, before + draws.randint(1, longest))
            time.sleep(draws.uniform(0, 0.05))
        os.kill(child, number)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            raise RuntimeError(f"{workdir} ended before it was killed enough.")
        steps.append(last_step(workdir))
    finish(start(data_dir, workdir), workdir)
    return steps


def last_step(workdir):
    names = [p.stem for p in pathlib.Path(workdir).glob("checkpoints/*.npz")]
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
    data_dir = directory / "data"
    tfds.disable_progress_bar()
    with contextlib.redirect_stdout(io.StringIO()):
        child = os.fork()  # It computes with TensorFlow.
        if not child:
            Cifar10(data_dir=data_dir).download_and_prepare()
            os._exit(0)
    os.waitpid(child, 0)
    whole = directory / "whole"
    finish(start(data_dir, whole), whole)
    steps, kinds = {}, (signal.SIGKILL, signal.SIGTERM)
    for kind in kinds:
        workdir = directory / kind.name
        draws = random.Random(kind)
        steps[kind] = killed(kind, data_dir, workdir, int(kills), draws)
    expected = contents(whole)
    for kind in kinds:
        found = contents(directory / kind.name)
        if set(found) != set(expected):
            sys.exit(f"{kind.name}: {set(found) ^ set(expected)}")
        for name, value in expected.items():
            if not np.array_equal(found[name], value):
                sys.exit(f"{kind.name}: {name} differs")
        print(f"{kind.name}: same to the bit, killed with {steps[kind]} saved")


if __name__ == "__main__":
    main(*sys.argv[1:])
