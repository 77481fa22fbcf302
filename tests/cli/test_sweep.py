"""`kprune sweep`: what it plans, runs and says."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from kprune.cli import configs, sweep
from kprune.experiment import directory
from kprune.experiment.sweep import grid
from kprune.runtime import locks

ROOT = pathlib.Path(__file__).parents[2]
CONFIG = "mnist_lenet:quick"
TINY = (
    f"sweep --config={CONFIG} --methods=dense,random,magnitude "
    "--sparsities=0.5,0.9 --seeds=0,1"
)
PRUNED = ("random-0.5", "random-0.9", "magnitude-0.5", "magnitude-0.9")


@pytest.fixture
def planned(command, capsys, tmp_path):
    """Returns a function to the lines of a dry run."""

    def lines(line):
        command(f"{line} --dry_run", runs=tmp_path / "runs")
        assert not (tmp_path / "runs").exists()
        return capsys.readouterr().out.splitlines()

    return lines


def cells(sparsities, seeds, **pruner):
    """Returns the cells of `CONFIG` by the method random."""
    config = configs.load(CONFIG)
    config.pruner.update(pruner)
    return grid.cells(config, ["random"], sparsities, seeds)


def finish(runs, cell):
    """Writes the directory of a finished cell."""
    directory.start(runs / cell.name, {"config": cell.config.to_dict()})
    result = {"test_accuracy": 0.5, "sparsity": 0.5, "seconds": 1.0}
    directory.finish(runs / cell.name, result)


def test_a_line_names_what_it_shows():
    result = {"test_accuracy": 0.44, "sparsity": 0.5, "seconds": 1.04}
    assert sweep.format_({"result": result}) == "test accuracy 44.00 %, 1.0 s"
    assert sweep.format_({"error": "Full."}) == "FAILED, Full."


# The plan.


def test_the_plan_runs_dense_once_per_seed(planned):
    lines = planned(TINY)
    cells = [line.split()[1].rsplit("-", 1)[0] for line in lines[:-1]]
    assert cells == [
        f"digits-lenet_300_100-{run}-seed{seed}"
        for seed in (0, 1)
        for run in ("dense-0", *PRUNED)
    ]
    assert lines[-1] == "10 cells: 0 finished, 10 new."
    assert planned(f"{TINY} --shard=1/3")[:-1] == lines[1:-1:3]
    assert planned(f"{TINY} --shard=11/12") == ["0 cells: 0 finished."]
    checked = planned(f"{TINY} --checks=none,invert")
    assert checked[-1] == "18 cells: 0 finished, 18 new."


def test_a_config_says_what_its_sweep_is(planned):
    lines = planned("sweep --config=force:imagenet_vgg19 --seeds=5")
    # The dense one, and six methods of the paper at four sparsities.
    assert lines[-1] == "25 cells: 0 finished, 25 new."
    assert all("-seed5-" in line for line in lines[:-1])


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("--methods=random,snipp", "Did you mean 'snip'"),
        ("--sparsities=0.5,1.5", "in [0, 1)"),
        ("--sparsities=half", "Received: ['half']"),
        ("--seeds=0.5", "numbers in --seeds"),
        ("--seeds=-1", "an integer >= 0"),
        ("--networks=lenet_300", "Did you mean 'lenet_300_100'"),
        ("--shard=one", "i from 0 to n - 1"),
        ("--jobs=0", "--jobs=0"),
        ("--job=2", "Did you mean 'jobs'"),
        ("--checks=shufle", "Did you mean 'shuffle'"),
        ("--checks=shuffle --methods=gmp", "prunes while"),
        ("--config.distribute=multi_worker", "--shard=i/n splits"),
        ("--config.dataset.name=digit", "Did you mean 'digits'"),
        ("--config=quickstart --methods=", "Expected --methods=A,B,..."),
        (f"--runs={__file__}", "is not a directory"),
    ],
)
def test_bad_input_is_answered(flags, expected, refusal, tmp_path):
    line = f"{TINY} --runs={tmp_path / 'runs'} {flags}"
    assert expected in refusal(line)
    assert not (tmp_path / "runs").exists()


# The whole.


def test_nothing_is_run_again_and_what_is_damaged_is_told(
    command, tmp_path, capsys
):
    one, other = cells([0.5], [0, 1])
    finish(tmp_path, one)
    finish(tmp_path, other)
    line = f"{TINY} --methods=random --sparsities=0.5"
    command(line, runs=tmp_path)
    out = capsys.readouterr().out
    assert "2 cells: 2 finished." in out
    assert f"The results are in {tmp_path}." in out
    (tmp_path / other.name / "config.json").write_text('{"config"')
    with pytest.raises(SystemExit) as error:
        command(line, runs=tmp_path)
    out = capsys.readouterr().out
    assert error.value.code == 1
    assert "1 finished, 1 damaged" in out
    assert f"{other.name}: FAILED, " in out
    assert "was not written by kprune" in out
    assert not list(tmp_path.glob("*/sweep.log"))


def test_what_is_missing_is_run_and_what_fails_is_told(
    command, tmp_path, monkeypatch, capfd
):
    sparsities = [0.5, 0.6, 0.99999]
    done, missing, failing = cells(sparsities, [0], on_collapse="error")
    finish(tmp_path / "runs", done)
    (tmp_path / "keras.py").write_text("raise ImportError\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as error:
        command(
            f"{TINY} --config.pruner.on_collapse=error --methods=random "
            "--sparsities=0.5,0.6,0.99999 --seeds=0 --runs=runs"
        )
    out, said = capfd.readouterr()
    runs = tmp_path / "runs"
    assert error.value.code == 1
    assert "3 cells: 1 finished, 2 new." in out
    assert f"[2/3] {missing.name}: " in out
    assert f"[3/3] {failing.name}: FAILED, ValueError: At sparsity" in out
    assert "1 of 3 cells failed" in out
    assert f"runs/{failing.name}/sweep.log" in out
    assert said == ""
    assert (runs / missing.name / "masks.npz").exists()
    assert not (runs / missing.name / "model.keras").exists()
    assert not (runs / done.name / "sweep.log").exists()


def sweep_of(runs, *more):
    """Starts a sweep of a dozen cells of a second or two."""
    flags = (
        "--config=quickstart --config.model.name=lenet_300_100 "
        "--config.training.epochs=8 --methods=random,magnitude "
        "--sparsities=0.5,0.9 --seeds=0,1,2"
    )
    return subprocess.Popen(
        [
            sys.executable,
            ROOT / "tools/sweep.py",
            *flags.split(),
            f"--runs={runs}",
            *more,
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_for(runs, count):
    """Waits until so many cells are finished."""
    until = time.time() + 300
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
def test_a_sweep_that_is_killed_twice_ends_as_one_that_is_not(tmp_path):
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
    assert "Run the same command again to resume" in out
    assert len(outcomes(broken)) < 12
    assert sweep_of(broken, "--jobs=2").wait(300) == 0

    assert outcomes(broken) == outcomes(whole)
    assert len(outcomes(whole)) == 12
    assert starts(whole) == [1] * 12
    assert sum(starts(broken)) <= 12 + 4  # Two were cut short, twice.
    assert {locks.holder(path) for path in broken.iterdir()} == {None}


@pytest.mark.slow
def test_two_sweeps_of_one_directory_share_the_work(tmp_path):
    several = [sweep_of(tmp_path) for _ in range(2)]
    outs = [process.communicate(timeout=300)[0] for process in several]
    assert [process.returncode for process in several] == [0, 0]
    assert starts(tmp_path) == [1] * 12
    assert all("[12/12]" in out for out in outs)
