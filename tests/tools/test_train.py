"""The binary `tools/train.py`, and the configs it runs."""

import json
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import kprune

ROOT = pathlib.Path(__file__).parents[2]
CONFIGS = ("asni", "mnist_lenet", "quickstart")
TINY = (
    "--config=configs/quickstart.py",
    "--config.model.name=lenet_300_100",
    "--config.training.steps_per_epoch=20",
    "--epochs=2",
)


def config_of(workdir):
    return json.loads((workdir / "config.json").read_text())["config"]


def snapshot(workdir):
    return {p: p.stat().st_mtime_ns for p in workdir.rglob("*")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The directory of a run as a user starts it, and what it printed."""
    workdir = tmp_path_factory.mktemp("runs") / "tiny"
    command = [sys.executable, "tools/train.py", f"--workdir={workdir}", *TINY]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True
    )
    return workdir, done


def test_everything_is_written(finished):
    workdir, _ = finished
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


def test_the_output_says_what_happened(finished):
    workdir, done = finished
    accuracy = json.loads((workdir / "DONE").read_text())["test_accuracy"]
    assert "lenet_300_100 on digits, pruned by snip" in done.stdout
    assert "fc1/kernel" in done.stdout
    assert "Epoch 2/2" in done.stdout
    assert f"Test accuracy {accuracy:.4f}" in done.stdout
    assert "oneDNN" not in done.stderr


def test_the_saved_models_have_the_accuracy_that_is_told(finished):
    workdir, _ = finished
    told = json.loads((workdir / "DONE").read_text())["test_accuracy"]
    _, (x, y) = kprune.datasets.load_arrays("digits")
    assert told > 0.5
    model = keras.models.load_model(workdir / "model.keras")
    _, accuracy = model.evaluate(x, y, verbose=0)
    assert accuracy == pytest.approx(told, abs=1e-6)
    loaded = tf.saved_model.load(str(workdir / "saved_model"))
    chosen = np.argmax(loaded.serve(x), axis=1)
    assert np.mean(chosen == y) == pytest.approx(told, abs=1e-6)


def test_the_saved_model_is_as_sparse_as_the_masks(finished):
    workdir, _ = finished
    model = keras.models.load_model(workdir / "model.keras")
    masks = kprune.masks.load(workdir / "masks.npz")
    for name, mask in masks.items():
        kernel = model.get_layer(name.split("/")[0]).kernel.numpy()
        assert not kernel[~mask].any()
    # 64 x 300, 300 x 100 and 100 x 10 weights: a tenth of 50,200.
    assert sum(int(mask.sum()) for mask in masks.values()) == 5020


def test_running_it_again_does_nothing(finished, binary, capsys):
    workdir, _ = finished
    before = snapshot(workdir)
    binary("train", *TINY, f"--workdir={workdir}")
    assert "is finished. Test accuracy" in capsys.readouterr().out
    assert snapshot(workdir) == before


def test_another_config_is_refused(finished, binary):
    workdir, _ = finished
    before = snapshot(workdir)
    with pytest.raises(SystemExit) as error:
        binary("train", *TINY, f"--workdir={workdir}", "--sparsity=0.8")
    assert "pruner.sparsity: 0.9 there, 0.8 here" in error.value.code
    assert snapshot(workdir) == before


def test_flags_win_over_overrides_over_the_file(binary, tmp_path):
    binary(
        "train",
        "--config=configs/quickstart.py:quick",
        f"--workdir={tmp_path}",
        "--config.pruner.sparsity=0.5",
        "--config.dataset.batch_size=16",
        "--config.training.learning_rate=0.01",
        "--config.model.activation=tanh",
        "--config.artifacts=false",
        "--batch_size=8",
        "--method=magnitude",
        "--seed=4",
    )
    config = config_of(tmp_path)
    assert config["pruner"]["method"] == "magnitude"
    assert config["pruner"]["sparsity"] == 0.5
    assert config["dataset"]["batch_size"] == 8
    assert config["training"]["learning_rate"] == 0.01
    assert config["training"]["epochs"] == 1
    assert config["model"]["activation"] == "tanh"
    assert config["seed"] == 4
    assert json.loads((tmp_path / "report.json").read_text())[
        "sparsity"
    ] == pytest.approx(0.5, abs=1e-5)
    assert not (tmp_path / "model.keras").exists()


def test_an_unfinished_run_starts_over(binary, tmp_path, capsys):
    arguments = ("--config=configs/quickstart.py:quick", "--method=dense")
    binary("train", *arguments, f"--workdir={tmp_path}")
    (tmp_path / "DONE").unlink()
    (tmp_path / "metrics.jsonl").write_text("half a run\n")
    binary("train", *arguments, f"--workdir={tmp_path}")
    assert "unfinished. It starts over" in capsys.readouterr().out
    assert "half a run" not in (tmp_path / "metrics.jsonl").read_text()
    assert not (tmp_path / "masks.npz").exists()


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("--config.training.epoch=3", "Did you mean 'epochs'"),
        ("--config.trainning.epochs=3", 'Did you mean "training"'),
        ("--config.training.epochs=few", "--config.training.epochs=few"),
        ("--sparsty=0.9", "Did you mean: sparsity"),
        ("--method=snipp", "Did you mean 'snip'"),
        ("--config=configs/quikstart.py", "Did you mean 'configs/quickstart"),
        ("--config=configs/quickstart.py:quik", "Did you mean 'quick'"),
        ("--sparsity=1.5", "float in [0, 1)"),
    ],
)
def test_a_typing_error_is_answered(flag, expected, binary, tmp_path, capsys):
    arguments = ["--config=configs/quickstart.py", flag]
    if flag.startswith("--config="):
        arguments = [flag]
    with pytest.raises(SystemExit) as error:
        binary("train", *arguments, f"--workdir={tmp_path / 'run'}")
    assert error.value.code != 0
    assert expected in f"{error.value.code} {capsys.readouterr().err}"
    assert not (tmp_path / "run").exists()


def test_dense_and_a_sparsity_contradict(binary, tmp_path):
    with pytest.raises(SystemExit) as error:
        binary(
            "train",
            "--config=configs/quickstart.py",
            f"--workdir={tmp_path}",
            "--method=dense",
            "--sparsity=0.5",
        )
    assert "--method=dense prunes nothing" in error.value.code


@pytest.mark.parametrize("name", CONFIGS)
def test_the_quick_variant_of_a_config_runs(name, binary, tmp_path):
    binary(
        "train", f"--config=configs/{name}.py:quick", f"--workdir={tmp_path}"
    )
    training = config_of(tmp_path)["training"]
    assert training["epochs"] == 1
    assert training["steps_per_epoch"] == 2
    assert (tmp_path / "DONE").exists()
    assert (tmp_path / "saved_model").is_dir()
