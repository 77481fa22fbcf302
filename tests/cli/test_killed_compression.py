"""`kprune compress`, killed by SIGKILL at random moments, ends as if it had not
been."""

import json
import os
import pathlib
import random
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

import kprune

ROOT = pathlib.Path(__file__).parents[2]
FLAGS = (
    "--data=digits",
    "--target=sparsity:0.9",
    "--step=0.2",
    "--epochs=3",
    "--json",
)
TIMES = {"seconds", "latency", "latency_share", "latency_spread"}


def started(model, out, workdir):
    places = f"--out={out}", f"--workdir={workdir}"
    return subprocess.Popen(
        [sys.executable, "tools/compress.py", str(model), *FLAGS, *places],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def ended(process):
    """Returns the candidates that a command printed, without their times."""
    printed, _ = process.communicate(timeout=600)
    assert process.returncode == 0
    rows = json.loads(printed.splitlines()[-1])["candidates"]
    return [
        {key: value for key, value in row.items() if key not in TIMES}
        for row in rows
    ]


def files(directory):
    return {
        (path, path.stat().st_mtime_ns)
        for path in directory.rglob("*")
        if path.is_file()
    }


def kill(process, workdir, draws):
    """Kills a command once it has written one to three times more."""
    for _ in range(draws.randint(1, 3)):
        before = files(workdir)
        while files(workdir) == before:
            assert process.poll() is None, "It ended before it was killed."
            time.sleep(0.01)
    time.sleep(draws.uniform(0, 0.3))
    process.kill()
    process.communicate()
    assert process.returncode == -9


@pytest.mark.slow
def test_ten_kills_by_signal(tmp_path):
    keras.utils.set_random_seed(0)
    model = kprune.models.get("fc", widths=(16,), input_shape=(8, 8, 1))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    model.save(tmp_path / "model.keras")
    places = {
        name: (tmp_path / f"{name}.keras", tmp_path / name)
        for name in ("whole", "killed")
    }
    whole = ended(started(tmp_path / "model.keras", *places["whole"]))
    assert len(whole) > 5
    draws = random.Random(0)
    places["killed"][1].mkdir()
    for _ in range(10):
        process = started(tmp_path / "model.keras", *places["killed"])
        kill(process, places["killed"][1], draws)
    assert ended(started(tmp_path / "model.keras", *places["killed"])) == whole
    one, other = (keras.models.load_model(path) for path, _ in places.values())
    for a, b in zip(one.variables, other.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), a.path)
