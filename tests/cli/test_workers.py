"""Several replicas and workers train as one device does."""

import time

import cluster
import keras
import numpy as np
import pytest

import kprune
import kprune_command
from kprune import experiment

# Not Adam: where gradients are tiny it makes differences in the last digit
# into steps of another size.
SETTINGS = (
    "--config=quickstart",
    "--config.model.name=lenet_300_100",
    "--method=snip",
    "--batch_size=32",
    "--epochs=3",
    "--config.dataset.drop_remainder=true",
    "--config.checkpoint.every=10it",
    "--config.training.optimizer=torch_sgd",
    "--config.training.learning_rate=0.1",
)


@pytest.fixture(scope="module")
def one_device(tmp_path_factory):
    """The directory of a run on one device."""
    workdir = tmp_path_factory.mktemp("one") / "run"
    kprune_command.main(["kprune", "train", *SETTINGS, f"--workdir={workdir}"])
    return workdir


def assert_alike(workdir, expected):
    for name, mask in kprune.masks.load(expected / "masks.npz").items():
        found = kprune.masks.load(workdir / "masks.npz")[name]
        np.testing.assert_array_equal(found, mask)
    one, other = (
        keras.saving.load_model(d / "model.keras", compile=False).get_weights()
        for d in (workdir, expected)
    )
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    result, whole = experiment.result(workdir), experiment.result(expected)
    assert result["test_loss"] == pytest.approx(whole["test_loss"], abs=1e-4)


@pytest.mark.slow
def test_two_replicas(command, tmp_path, one_device):
    command("train", *SETTINGS, workdir=tmp_path, distribute="mirrored")
    assert_alike(tmp_path, one_device)


def start(workdir, files):
    """Starts two workers, and returns their processes."""
    flags = [*SETTINGS, f"--workdir={workdir}", "--distribute=multi_worker"]
    return cluster.start(
        "tests/support/working.py", *([file, *flags] for file in files)
    )


@pytest.mark.slow  # Five processes; CI runs it.
def test_two_workers_of_which_one_is_killed(tmp_path, one_device):
    workdir = tmp_path / "run"
    files = [tmp_path / f"worker{i}.npz" for i in range(2)]
    processes = start(workdir, files)
    saved = workdir / "checkpoints" / "step-000000050.npz"
    end = time.time() + 200
    while not saved.exists() and time.time() < end:
        time.sleep(0.005)
        assert processes[1].poll() is None, cluster.ended(processes)
    processes[1].kill()
    told, _ = cluster.ended(processes)
    assert processes[0].returncode == 143, told
    assert "a worker died. Restart all workers" in told
    processes = start(workdir, files)
    logs = cluster.ended(processes)
    assert [p.returncode for p in processes] == [0, 0], logs
    assert "goes on from the last checkpoint" in logs[0]
    assert_alike(workdir, one_device)
    with np.load(files[0]) as one, np.load(files[1]) as other:
        assert len(one.files) > 6
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name])
