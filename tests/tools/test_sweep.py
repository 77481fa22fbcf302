"""The binary `tools/sweep.py`: what it plans, runs and says."""

import itertools
import json
import os
import pathlib
import runpy
import signal
import subprocess
import sys
import time

import pytest

from kprune import experiment
from kprune.experiment import directory

ROOT = pathlib.Path(__file__).parents[2]
TINY = (
    "--config=configs/mnist_lenet.py:quick",
    "--methods=dense,random,magnitude",
    "--sparsities=0.5,0.9",
    "--seeds=0,1",
)
PAPER = {
    "results": [
        {"method": "snip", "sparsity": 0.9, "mean": 93.0},
        {
            "label": "SNIP-MB",
            "method": "snip",
            "options": {
                "pruner.batches": 7,
                "pruner.options.released_code": True,
            },
            "sparsity": 0.9,
            "mean": 94.0,
        },
    ]
}


@pytest.fixture
def grid(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    from sweeping import grid

    return grid


@pytest.fixture
def worker(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    from sweeping import worker

    return worker


def planned(binary, capsys, *arguments):
    """Returns the lines of a dry run."""
    capsys.readouterr()
    binary("sweep", "--dry_run", *arguments)
    return capsys.readouterr().out.splitlines()


def finish(runs, cell):
    """Writes the directory of a finished cell."""
    directory.start(runs / cell.name, {"config": cell.config.to_dict()})
    result = {"test_accuracy": 0.5, "sparsity": 0.5, "seconds": 1.0}
    directory.finish(runs / cell.name, result)


def quick_config(**pruner):
    """Returns the config that `TINY` names."""
    found = runpy.run_path(str(ROOT / "configs/mnist_lenet.py"))
    config = found["get_config"]("quick")
    config.pruner.update(pruner)
    return experiment.complete(config)


# The plan.


def test_the_plan_runs_dense_once_per_seed(binary, tmp_path, capsys):
    lines = planned(binary, capsys, *TINY, f"--runs={tmp_path / 'runs'}")
    cells = [line.split()[1].rsplit("-", 1)[0] for line in lines[:-1]]
    assert cells == [
        f"digits-lenet_300_100-{method}-seed{seed}"
        for seed in (0, 1)
        for method in (
            "dense-0",
            "random-0.5",
            "random-0.9",
            "magnitude-0.5",
            "magnitude-0.9",
        )
    ]
    assert lines[-1] == "10 cells: 0 finished, 10 new."
    assert not (tmp_path / "runs").exists()


def test_the_shards_are_the_whole_without_overlap(binary, tmp_path, capsys):
    arguments = (*TINY, f"--runs={tmp_path}")
    whole = planned(binary, capsys, *arguments)[:-1]
    parts = [
        planned(binary, capsys, *arguments, f"--shard={i}/3")[:-1]
        for i in range(3)
    ]
    assert sorted(map(len, parts)) == [3, 3, 4]
    assert sorted(itertools.chain(*parts)) == sorted(whole)


def test_more_shards_than_cells(binary, tmp_path, capsys):
    lines = planned(
        binary, capsys, *TINY, f"--runs={tmp_path}", "--shard=11/12"
    )
    assert lines == ["0 cells: 0 finished."]


def test_a_config_says_what_its_sweep_is(binary, tmp_path, capsys):
    lines = planned(
        binary,
        capsys,
        "--config=configs/force.py:imagenet_vgg19",
        f"--runs={tmp_path}",
        "--seeds=5",
    )
    # The dense one, and six methods of the paper at four sparsities.
    assert lines[-1] == "25 cells: 0 finished, 25 new."
    assert all("-seed5-" in line for line in lines[:-1])


def test_a_label_of_the_paper_is_a_method_with_settings(grid):
    base = experiment.complete({"paper": PAPER})
    cells = grid.cells(base, ["snip", "SNIP-MB"], [0.9], [0])
    assert [cell.config.pruner.method for cell in cells] == ["snip", "snip"]
    assert [cell.config.pruner.batches for cell in cells] == [1, 7]
    assert cells[1].config.pruner.options.to_dict() == {"released_code": True}
    assert cells[0].name != cells[1].name


def test_a_dense_run_does_not_depend_on_how_others_prune(grid):
    one = experiment.complete({"pruner": {"batches": 3, "rounds": 5}})
    other = experiment.complete({"paper": PAPER, "artifacts": True})
    (cell,) = grid.cells(one, ["dense"], [0.5, 0.9], [0])
    assert [cell.name] == [
        cell.name for cell in grid.cells(other, ["dense"], [0.9], [0])
    ]


def test_cells_are_without_saved_models(grid):
    cells = grid.cells(experiment.default(), ["snip"], [0.9], [3], ["fc"])
    assert not cells[0].config.artifacts
    assert cells[0].config.model.name == "fc"
    assert cells[0].config.seed == 3


def test_the_papers_figures_are_of_its_own_network(grid):
    result = {"method": "snip", "sparsity": 0.9, "mean": 95.5, "std": 0.2}
    base = experiment.complete(
        {"paper": {"source": "table 1", "results": [result]}}
    )
    for network, figures in ((base.model.name, [result]), ("fc", [])):
        (cell,) = grid.cells(base, ["snip"], [0.9], [0], [network])
        paper = cell.config.paper.to_dict()
        assert [r for r in paper["results"] if "mean" in r] == figures
        assert ("source" in paper) == bool(figures)


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("--methods=random,snipp", "Did you mean 'snip'"),
        ("--sparsities=0.5,1.5", "float in [0, 1)"),
        ("--sparsities=half", "Received: ['half']"),
        ("--seeds=0.5", "numbers in --seeds"),
        ("--seeds=-1", "an integer >= 0"),
        ("--networks=lenet_300", "Did you mean 'lenet_300_100'"),
        ("--shard=3/3", "i from 0 to n - 1"),
        ("--shard=one", "i from 0 to n - 1"),
        ("--jobs=0", "--jobs=0"),
        ("--job=2", "Did you mean: jobs"),
        ("--config.distribute=multi_worker", "--shard=i/n splits"),
        ("--config.dataset.name=digit", "Did you mean 'digits'"),
    ],
)
def test_bad_input_is_answered(flag, expected, binary, tmp_path, capsys):
    with pytest.raises(SystemExit) as error:
        binary("sweep", *TINY, flag, f"--runs={tmp_path / 'runs'}")
    assert error.value.code not in (0, None)
    assert expected in f"{error.value.code} {capsys.readouterr().err}"
    assert not (tmp_path / "runs").exists()


def test_without_a_sweep_in_the_config_the_flags_must_say(binary, tmp_path):
    with pytest.raises(SystemExit) as error:
        binary("sweep", "--config=configs/quickstart.py", f"--runs={tmp_path}")
    assert "Expected --methods=A,B,..." in error.value.code


def test_runs_in_a_file_are_refused(binary, tmp_path):
    (tmp_path / "runs").touch()
    with pytest.raises(SystemExit) as error:
        binary("sweep", *TINY, f"--runs={tmp_path / 'runs'}")
    assert "is not a directory" in error.value.code


# A cell.


def tiny(sparsity=0.5, **changes):
    config = {
        "artifacts": False,
        "pruner": {"method": "random", "sparsity": sparsity, **changes},
        "training": {"epochs": 1, "steps_per_epoch": 2},
    }
    return experiment.complete(config).to_dict()


@pytest.mark.slow
def test_a_worker_runs_a_cell_and_logs_it(worker, tmp_path):
    task = {"config": tiny(), "workdir": str(tmp_path), "data_dir": None}
    result = worker.perform(task)["result"]
    assert result["sparsity"] == pytest.approx(0.5)
    assert json.loads((tmp_path / "DONE").read_text()) == result
    assert "val_accuracy" in (tmp_path / "sweep.log").read_text()
    assert not list(tmp_path.glob("claim-*"))


@pytest.mark.slow
def test_a_worker_survives_a_cell_that_fails(worker, tmp_path, capfd):
    # Keeps at most one of 50,200 weights: layers go empty.
    config = tiny(0.99999, on_collapse="error")
    task = {"config": config, "workdir": str(tmp_path), "data_dir": None}
    error = worker.perform(task)["error"]
    assert error.startswith("ValueError: At sparsity 0.99999 these weights")
    log = (tmp_path / "sweep.log").read_text()
    assert "Traceback" in log
    assert "nothing can flow" in log
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.glob("claim-*"))


def test_a_worker_leaves_a_claimed_cell_alone(worker, tmp_path):
    with worker.claims.claim(tmp_path):
        task = {"config": tiny(), "workdir": str(tmp_path), "data_dir": None}
        assert f"process {os.getpid()}" in worker.perform(task)["held"]
    assert list(tmp_path.iterdir()) == []


def test_the_cores_and_gpus_are_shared_out(worker, monkeypatch):
    from sweeping import pool

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


# The whole.


def test_finished_cells_are_not_run_again(binary, grid, tmp_path, capsys):
    for cell in grid.cells(quick_config(), ["random"], [0.5], [0, 1]):
        finish(tmp_path, cell)
    binary(
        "sweep",
        *TINY,
        "--methods=random",
        "--sparsities=0.5",
        f"--runs={tmp_path}",
    )
    out = capsys.readouterr().out
    assert "2 cells: 2 finished." in out
    assert f"All is in {tmp_path}." in out
    assert not list(tmp_path.glob("*/sweep.log"))


def test_a_damaged_directory_does_not_stop_the_others(
    binary, grid, tmp_path, capsys
):
    one, other = grid.cells(quick_config(), ["random"], [0.5], [0, 1])
    finish(tmp_path, one)
    finish(tmp_path, other)
    (tmp_path / other.name / "config.json").write_text('{"config"')
    arguments = (*TINY, "--methods=random", "--sparsities=0.5")
    with pytest.raises(SystemExit) as error:
        binary("sweep", *arguments, f"--runs={tmp_path}")
    out = capsys.readouterr().out
    assert error.value.code == 1
    assert "1 finished, 1 damaged" in out
    assert f"{other.name}: FAILED, " in out
    assert "was not written by kprune" in out


def test_what_is_missing_is_run_and_what_fails_is_told(
    binary, grid, tmp_path, capsys
):
    base = quick_config(on_collapse="error")
    done, missing, failing = grid.cells(
        base, ["random"], [0.5, 0.6, 0.99999], [0]
    )
    finish(tmp_path, done)
    with pytest.raises(SystemExit) as error:
        binary(
            "sweep",
            "--config=configs/mnist_lenet.py:quick",
            "--config.pruner.on_collapse=error",
            "--methods=random",
            "--sparsities=0.5,0.6,0.99999",
            "--seeds=0",
            f"--runs={tmp_path}",
        )
    out = capsys.readouterr().out
    assert error.value.code == 1
    assert "3 cells: 1 finished, 2 new." in out
    assert f"[2/3] {missing.name}: " in out
    assert f"[3/3] {failing.name}: FAILED, ValueError: At sparsity" in out
    assert "1 of 3 cells failed" in out
    assert str(tmp_path / failing.name / "sweep.log") in out
    assert (tmp_path / missing.name / "masks.npz").exists()
    assert not (tmp_path / missing.name / "model.keras").exists()
    assert not (tmp_path / done.name / "sweep.log").exists()


def sweep_of(runs, *more):
    """Starts a sweep of a dozen cells of a second or two."""
    command = [
        sys.executable,
        "tools/sweep.py",
        "--config=configs/quickstart.py",
        "--config.model.name=lenet_300_100",
        "--config.training.epochs=8",
        "--methods=random,magnitude",
        "--sparsities=0.5,0.9",
        "--seeds=0,1,2",
        f"--runs={runs}",
        *more,
    ]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def wait_for(runs, count):
    """Waits until so many cells are finished."""
    until = time.time() + 120
    while len(list(runs.glob("*/DONE"))) < count:
        assert time.time() < until
        time.sleep(0.02)


def outcomes(runs):
    """Returns what the cells came to, but the time they took."""
    return {
        path.parent.name: json.loads(path.read_text())["test_loss"]
        for path in runs.glob("*/DONE")
    }


def starts(runs):
    """Returns how often each cell was started."""
    return [
        path.read_text().count(", process ")
        for path in runs.glob("*/sweep.log")
    ]


@pytest.mark.slow
def test_a_sweep_that_is_killed_twice_ends_as_one_that_is_not(tmp_path, worker):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert sweep_of(whole, "--jobs=2").wait(300) == 0

    first = sweep_of(broken, "--jobs=2")
    wait_for(broken, 2)
    first.kill()
    first.wait()
    finished = outcomes(broken)
    second = sweep_of(broken, "--jobs=2")
    wait_for(broken, len(finished) + 3)
    second.send_signal(signal.SIGTERM)
    out, _ = second.communicate(timeout=100)
    assert second.returncode == 128 + signal.SIGTERM
    assert "The same command goes on with the others" in out
    assert len(outcomes(broken)) < 12
    assert sweep_of(broken, "--jobs=2").wait(300) == 0

    assert outcomes(broken) == outcomes(whole)
    assert len(outcomes(whole)) == 12
    assert starts(whole) == [1] * 12
    assert sum(starts(broken)) <= 12 + 4  # Two were cut short, twice.
    holders = [worker.claims.holder(path) for path in broken.iterdir()]
    assert holders == [None] * 12


@pytest.mark.slow
def test_two_sweeps_of_one_directory_share_the_work(tmp_path):
    several = [sweep_of(tmp_path) for _ in range(2)]
    outs = [process.communicate(timeout=300)[0] for process in several]
    assert [process.returncode for process in several] == [0, 0]
    assert starts(tmp_path) == [1] * 12
    assert all("[12/12]" in out for out in outs)
