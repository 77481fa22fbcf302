"""`kprune train`, and what its directory holds."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import kprune
from kprune import experiment, training

ROOT = pathlib.Path(__file__).parents[2]
TINY = (
    "--config=quickstart",
    "--config.model.name=lenet_300_100",
    "--config.training.steps_per_epoch=20",
    "--epochs=2",
)
QUICK = "train --config=quickstart:quick"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The directory of a run as a user starts it, and what it printed."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "json.py").write_text("raise ImportError\n")  # In nobody's way.
    command = [sys.executable, ROOT / "tools/train.py", "--workdir=tiny", *TINY]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return folder / "tiny", done


def test_what_is_written_and_said(finished):
    workdir, done = finished
    assert {path.name for path in workdir.iterdir()} == {
        "DONE",
        "config.json",
        "masks.npz",
        "metrics.jsonl",
        "model.keras",
        "report.json",
        "saved_model",
    }
    assert len((workdir / "metrics.jsonl").read_text().splitlines()) == 3
    accuracy = json.loads((workdir / "DONE").read_text())["test_accuracy"]
    assert "lenet_300_100 on digits, pruned by snip" in done.stdout
    assert "fc1/kernel" in done.stdout
    assert "Epoch 2/2" in done.stdout
    assert f"Test accuracy {accuracy:.4f}" in done.stdout
    assert done.stderr == ""


def test_the_saved_models_have_the_accuracy_that_is_told(finished):
    workdir, _ = finished
    told = json.loads((workdir / "DONE").read_text())["test_accuracy"]
    _, (x, y) = kprune.datasets.load_arrays("digits")
    assert told > 0.5
    model = keras.models.load_model(workdir / "model.keras", compile=False)
    loaded = tf.saved_model.load(str(workdir / "saved_model"))
    for network in (model, loaded.serve):
        accuracy = np.mean(np.argmax(network(x), axis=1) == y)
        assert accuracy == pytest.approx(told, abs=1e-6)
    masks = kprune.masks.load(workdir / "masks.npz")
    for name, mask in masks.items():
        kernel = model.get_layer(name.split("/")[0]).kernel.numpy()
        assert not kernel[~mask].any()
    # 64 x 300, 300 x 100 and 100 x 10 weights: a tenth of 50,200.
    assert sum(int(mask.sum()) for mask in masks.values()) == 5020


def test_a_finished_run_is_left_as_it_is(finished, command, refusal, capsys):
    workdir, _ = finished
    before = {p: p.stat().st_mtime_ns for p in workdir.rglob("*")}
    command("train", *TINY, workdir=workdir)
    assert "is finished. Test accuracy" in capsys.readouterr().out
    said = refusal("train", *TINY, workdir=workdir, sparsity=0.8)
    assert "pruner.sparsity: 0.9 there, 0.8 here" in said
    assert {p: p.stat().st_mtime_ns for p in workdir.rglob("*")} == before


def test_an_unfinished_run_starts_over(finished, command, tmp_path, capsys):
    workdir = shutil.copytree(finished[0], tmp_path / "run")
    (workdir / "DONE").unlink()
    (workdir / "metrics.jsonl").write_text("half a run\n")
    more = (*TINY, "--config.artifacts=false")
    command("train", *more, workdir=workdir)
    assert "unfinished. It starts over" in capsys.readouterr().out
    assert "half a run" not in (workdir / "metrics.jsonl").read_text()
    assert not (workdir / "model.keras").exists()


def test_flags_win_over_overrides_over_the_file(command, tmp_path, capsys):
    command(
        f"{QUICK} --config.pruner.sparsity=0.5 --config.dataset.batch_size=16 "
        "--config.training.learning_rate=0.01 --config.model.activation=tanh "
        "--config.artifacts=false --batch_size=8 --method=magnitude "
        "--config.model.name=fc --config.model.widths=(8,) "
        "--check=shuffle --seed=4",
        runs=tmp_path,
    )
    out = capsys.readouterr().out
    assert "pruned by magnitude (sanity check: shuffle)" in out
    (workdir,) = tmp_path.iterdir()
    assert workdir.name.startswith("digits-fc-magnitude-shuffle-0.5-seed4-")
    config = json.loads((workdir / "config.json").read_text())["config"]
    pruner, training = config["pruner"], config["training"]
    assert (pruner["method"], pruner["check"]) == ("magnitude", "shuffle")
    assert pruner["sparsity"] == 0.5
    assert config["dataset"]["batch_size"] == 8
    assert (training["learning_rate"], training["epochs"]) == (0.01, 1)
    assert config["model"]["activation"] == "tanh"
    assert config["seed"] == 4
    report = json.loads((workdir / "report.json").read_text())
    assert report["sparsity"] == pytest.approx(0.5, abs=1e-5)
    assert not (workdir / "model.keras").exists()


def test_a_plan_is_shown_and_nothing_written(command, tmp_path, capsys):
    command(f"{QUICK} --dry_run --epochs=7", runs=tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert "epochs: 7" in lines[0]
    assert lines[1].endswith("(new)")
    assert "  training.epochs = 7" in lines
    assert any(line.startswith("conv1/kernel") for line in lines)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("--config.training.epoch=3", "Did you mean 'epochs'"),
        ("--config.trainning.epochs=3", 'Did you mean "training"'),
        ("--config.training.epochs=few", "--config.training.epochs=few"),
        ("--sparsty=0.9", "Did you mean 'sparsity'"),
        ("--method=snipp", "Did you mean 'snip'"),
        ("--config=quikstart", "Did you mean 'quickstart'"),
        ("--sparsity=1.5", "in [0, 1)"),
        ("--runs=runs", "Expected --workdir=DIRECTORY or --runs="),
        ("--method=dense --sparsity=0.5", "--method=dense prunes nothing"),
        ("--method=dense --check=shuffle", "prunes nothing"),
    ],
)
def test_bad_input_is_answered(flags, expected, refusal, tmp_path):
    line = "train" if flags.startswith("--config=") else QUICK
    assert expected in refusal(f"{line} {flags}", workdir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_all_start_again_if_a_worker_is_gone(command, tmp_path, monkeypatch):
    def train(*arguments):
        raise tf.errors.UnavailableError(None, None, "no route\nto host")

    def leave(code):
        raise SystemExit(code)

    monkeypatch.setattr(experiment, "train", train)
    monkeypatch.setattr(os, "_exit", leave)
    line = f"{QUICK} --method=random"
    with pytest.raises(SystemExit) as error:
        command(line, workdir=tmp_path)
    assert error.value.code == training.EXIT_CODE
    with pytest.raises(tf.errors.UnavailableError):
        command(f"{line} --verbosity=1", workdir=tmp_path)
