"""A process of a sweep, and what several share."""

import os
import subprocess
import types
from concurrent import futures

import pytest

from kprune import experiment
from kprune.experiment.sweep import pool, resources, worker
from kprune.runtime import locks


def task(workdir, sparsity=0.5, **changes):
    config = {
        "artifacts": False,
        "model": {"name": "fc", "widths": (8,)},
        "pruner": {"method": "random", "sparsity": sparsity, **changes},
        "training": {"epochs": 1, "steps_per_epoch": 2},
    }
    config = experiment.complete(config).to_dict()
    return {"config": config, "workdir": str(workdir), "data_dir": None}


def test_a_worker_runs_a_cell_and_logs_it(tmp_path):
    result = worker.perform(task(tmp_path))["result"]
    assert result["sparsity"] == pytest.approx(0.5)
    assert experiment.result(tmp_path) == result
    assert "val_accuracy" in (tmp_path / "sweep.log").read_text()
    assert not (tmp_path / locks.NAME).exists()


def test_a_worker_survives_a_cell_that_fails(tmp_path, capfd):
    # Keeps one of 592 weights: a layer goes empty.
    error = worker.perform(task(tmp_path, 0.999, on_collapse="error"))["error"]
    assert error.startswith("ValueError: At sparsity 0.999 these weights")
    log = (tmp_path / "sweep.log").read_text()
    assert "Traceback" in log
    assert "nothing can flow" in log
    assert capfd.readouterr() == ("", "")
    assert not (tmp_path / locks.NAME).exists()


def test_a_worker_leaves_a_claimed_cell_alone(tmp_path):
    with locks.held(tmp_path), futures.ThreadPoolExecutor() as another:
        told = another.submit(worker.perform, task(tmp_path)).result()
        assert [path.name for path in tmp_path.iterdir()] == [locks.NAME]
    assert told["held"].startswith(f"process {os.getpid()} on ")


def test_a_worker_tells_of_a_directory_that_it_cannot_make(tmp_path):
    (tmp_path / "file").touch()
    error = worker.perform(task(tmp_path / "file" / "run"))["error"]
    assert error.endswith("run: Not a directory.")


def test_a_worker_runs_nothing_of_the_current_directory(tmp_path, monkeypatch):
    # An empty entry stands for the current directory.
    path = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", f"{path}{os.pathsep}")
    for name in ("command_line", "queue", "keras", "sitecustomize"):
        text = f"open({str(tmp_path / 'ran')!r}, 'w')"
        (tmp_path / f"{name}.py").write_text(text)
    (environment,) = resources.environments(1)
    worker = {"cwd": tmp_path, "env": environment, "timeout": 200}
    subprocess.run(pool.WORKER, input=b"null\n", check=True, **worker)
    assert not (tmp_path / "ran").exists()


def of_workers(variable, jobs, **resources_of_a_run):
    found = resources.environments(jobs, **resources_of_a_run)
    return [one.get(variable) for one in found]


@pytest.fixture
def eight_cores(monkeypatch):
    monkeypatch.setattr(resources, "cores", lambda: 8)
    for name in ("TF_NUM_INTRAOP_THREADS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)


def test_the_cores_are_shared_out(monkeypatch, eight_cores):
    threads = "TF_NUM_INTRAOP_THREADS"
    assert of_workers(threads, 1) == [None]
    assert of_workers(threads, 3) == ["2"] * 3
    assert of_workers(threads, 3, cpus=4) == ["4"] * 3
    monkeypatch.setenv(threads, "5")
    assert of_workers(threads, 3) == ["5"] * 3
    assert of_workers(threads, 1, cpus=1) == ["1"]


@pytest.mark.parametrize(
    ("jobs", "per_run", "visible"),
    [
        (1, None, [None]),
        (3, None, ["a", "b", "a"]),
        (2, 1, ["a", "b"]),
        (1, 2, ["a,b"]),
        (4, 0.5, ["a", "a", "b", "b"]),
        (5, 0.3, ["a", "a", "a", "b", "b"]),
        (2, 0, ["-1", "-1"]),
    ],
)
def test_the_gpus_are_shared_out(eight_cores, jobs, per_run, visible):
    found = of_workers(
        "CUDA_VISIBLE_DEVICES", jobs, names=["a", "b"], per_run=per_run
    )
    assert found == visible


def test_gpus_go_by_the_names_that_the_environment_gives(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert resources.gpus() == []
    two = {"list_physical_devices": lambda kind: [kind] * 2}
    config = types.SimpleNamespace(**two)
    monkeypatch.setattr(resources, "tf", types.SimpleNamespace(config=config))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    assert resources.gpus() == ["3", "1"]
    names = resources.gpus()
    found = of_workers("CUDA_VISIBLE_DEVICES", 2, names=names, per_run=1)
    assert found == ["3", "1"]


@pytest.mark.parametrize(("jobs", "per_run"), [(3, 1), (2, 2), (5, 0.5)])
def test_more_runs_than_gpus_are_refused(jobs, per_run):
    with pytest.raises(ValueError, match="for 2 GPUs at"):
        resources.gpu_shares(["a", "b"], jobs, per_run)


@pytest.mark.parametrize("value", [-1, 1.5, "1", float("nan")])
def test_a_share_of_a_gpu_is_below_one(value):
    with pytest.raises(ValueError, match="gpus_per_run"):
        pool.LocalExecutor(gpus_per_run=value)
