"""A process of a sweep, and what several share."""

import os
import subprocess
from concurrent import futures

import pytest

from kprune import experiment
from kprune.experiment.sweep import pool, worker
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
    environment = pool.environment(0, 1)
    worker = {"cwd": tmp_path, "env": environment, "timeout": 200}
    subprocess.run(pool.WORKER, input=b"null\n", check=True, **worker)
    assert not (tmp_path / "ran").exists()


def test_the_cores_and_gpus_are_shared_out(monkeypatch):
    monkeypatch.setattr(pool, "cores", lambda: 8)
    for name in ("TF_NUM_INTRAOP_THREADS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    assert "TF_NUM_INTRAOP_THREADS" not in pool.environment(0, 1)
    found = [pool.environment(i, 3, gpus=2) for i in range(3)]
    assert {f["TF_NUM_INTRAOP_THREADS"] for f in found} == {"2"}
    assert [f["CUDA_VISIBLE_DEVICES"] for f in found] == ["0", "1", "0"]
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "5")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    found = [pool.environment(i, 2, gpus=2) for i in range(2)]
    assert {f["TF_NUM_INTRAOP_THREADS"] for f in found} == {"5"}
    assert [f["CUDA_VISIBLE_DEVICES"] for f in found] == ["3", "1"]
