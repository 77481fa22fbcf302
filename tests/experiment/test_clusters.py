"""A user's own network and data on each executor, with a worker killed: the
same results, digit by digit."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

import missing_packages
import pytest

from kprune import experiment
from kprune.experiment.sweep import grid, slurm

pytestmark = pytest.mark.slow

LAB = """
import keras
import numpy as np
import tensorflow as tf

def network(classes, input_shape, width=8):
    return keras.Sequential([
        keras.Input(input_shape),
        keras.layers.Dense(width, "relu"),
        keras.layers.Dense(classes),
    ])

def data():
    x = np.random.default_rng(0).normal(size=(90, 6))
    y = (x[:, 0] > 0).astype("int32")
    return (x[:60], y[:60]), (x[60:], y[60:])

def smallest(objective, weights, masks):
    return {name: -tf.abs(w) for name, w in weights.items()}
"""
EPOCHS = 40
CONFIG = {
    "model": {"name": "their_lab:network", "width": 12},
    "dataset": {"name": "their_lab:data", "batch_size": 20},
    "pruner": {"method": "their_lab:smallest", "sparsity": 0.5},
    "training": {"epochs": EPOCHS},
}
CELLS = (["dense", "their_lab:smallest"], [0.5])


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A directory outside of the repository, with a user's own things."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "their_lab.py").write_text(LAB)
    before = os.getcwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


def outcomes(found):
    """Returns what cells came to, but the time they took."""
    assert not [one for one in found.values() if "error" in one], found
    return {n: {**one, "seconds": None} for n, one in found.items()}


@pytest.fixture(scope="module")
def by_pool(lab):
    executor = experiment.LocalExecutor(cpus_per_run=1)
    found = experiment.run_sweep(CONFIG, "local", *CELLS, executor=executor)
    return outcomes(found)


def starts(runs):
    """Returns how often each cell was started, and began at its first epoch."""
    texts = [log.read_text() for log in pathlib.Path(runs).glob("*/sweep.log")]
    return sorted(
        (text.count(", process "), text.count(f"Epoch 1/{EPOCHS}\n"))
        for text in texts
    )


def once_both_train(runs, do):
    """Does something, in a thread, as soon as both cells have a checkpoint of
    an epoch."""

    def wait():
        until = time.monotonic() + 500
        while time.monotonic() < until:
            logs = pathlib.Path(runs).glob("*/sweep.log")
            if sum("Epoch 3/" in log.read_text() for log in logs) == 2:
                do()
                return
            time.sleep(0.05)

    threading.Thread(target=wait, daemon=True).start()


@pytest.fixture
def two_nodes(monkeypatch):
    """A real cluster of Ray of two nodes of a core each: (cluster, second)."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "include_dashboard": False},
    )
    yield cluster, cluster.add_node(num_cpus=1)
    ray.shutdown()
    cluster.shutdown()


@missing_packages.needs("ray")
def test_a_node_of_ray_that_dies_changes_no_digit(lab, by_pool, two_nodes):
    cluster, second = two_nodes
    executor = experiment.RayExecutor(address=cluster.address)
    once_both_train(
        "by_ray", lambda: cluster.remove_node(second, allow_graceful=False)
    )
    found = experiment.run_sweep(CONFIG, "by_ray", *CELLS, executor=executor)
    assert outcomes(found) == by_pool
    (_, one), (count, other) = starts("by_ray")
    assert (one, other) == (1, 1)  # It went on from its checkpoint.
    assert count >= 2
    again = experiment.run_sweep(CONFIG, "by_ray", *CELLS, executor=executor)
    assert again == found
    assert starts("by_ray")[1][0] == count


class OnThisMachine:
    """What `slurm.Jobs` asks of Slurm, for submitit's local cluster."""

    def __init__(self, submitit, folder):
        self.folder = folder
        self._executor = submitit.LocalExecutor(folder)
        setup = slurm.setup(1)
        self._executor.update_parameters(timeout_min=30, setup=setup)
        self._jobs = []

    def submit_array(self, tasks):
        made = self._executor.submit_array(tasks)
        self._jobs += made
        return made

    def alive(self):
        return {job.job_id for job in self._jobs if job.state == "RUNNING"}


@missing_packages.needs("submitit")
def test_a_job_that_runs_out_of_time_changes_no_digit(lab, by_pool):
    import submitit

    folder = lab / "by_jobs" / slurm.FOLDER
    local = OnThisMachine(submitit, folder)
    cells = grid.cells(experiment.complete(CONFIG), *CELLS, [0])
    jobs = slurm.Jobs(local, local, 0, cells, "by_jobs", None)

    def interrupt():
        lock = lab / "by_jobs" / cells[0].name / ".lock"
        process = json.loads(lock.read_text())["process"]
        os.kill(process, signal.SIGUSR2)

    once_both_train("by_jobs", interrupt)
    found = {cell.name: told["result"] for cell, told in jobs.outcomes()}
    assert outcomes(found) == by_pool
    assert starts("by_jobs") == [(1, 1), (2, 1)]


def _slurm_is_up():
    if not shutil.which("sinfo"):
        return False
    done = subprocess.run(["sinfo", "-h"], capture_output=True, timeout=60)
    return done.returncode == 0 and bool(done.stdout.strip())


@missing_packages.needs("submitit")
@pytest.mark.skipif(not _slurm_is_up(), reason="no Slurm answers here")
def test_a_real_slurm_changes_no_digit(lab, by_pool):
    executor = experiment.SlurmExecutor(minutes=20)
    found = experiment.run_sweep(CONFIG, "by_slurm", *CELLS, executor=executor)
    assert outcomes(found) == by_pool
    assert starts("by_slurm") == [(1, 1), (1, 1)]
