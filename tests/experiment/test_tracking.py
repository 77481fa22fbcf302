"""What a run tells TensorBoard, W&B and MLflow is what metrics.jsonl has."""

import glob
import json
import pathlib
import socket
import struct
import subprocess
import sys
import time
import urllib.request

import keras
import numpy as np
import pytest

import kprune
import kprune_command
from kprune import experiment
from kprune.experiment import training
from kprune.experiment.tracking import destinations

EPOCHS = 3
# With tensorboard in it, whatever is installed: an extra is a slow test.
NAMES = list(destinations.DESTINATIONS)


def config(track, **changes):
    return {
        "dataset": {"name": "digits", "batch_size": 64},
        "model": {"name": "fc", "widths": [16]},
        "pruner": {"method": "random", "sparsity": 0.75},
        "training": {"epochs": EPOCHS, "steps_per_epoch": 2},
        "track": track,
        "artifacts": False,
        **changes,
    }


class Interruption(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


def run_twice(track, workdir, monkeypatch):
    """Runs until the third epoch, goes on from there, and returns the lines of
    metrics.jsonl."""
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "_tensorboard", lambda *_: [Interruption()])
        experiment.run(config(track), workdir, verbose=0)
    experiment.run(config(track), workdir, verbose=0)
    text = (pathlib.Path(workdir) / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def expected(lines):
    """Returns what is told by name: a dict from steps to values."""
    found = {}
    *epochs, result = lines
    for line in epochs:
        for name, value in line.items():
            found.setdefault(name, {})[line["epoch"]] = value
    for name, value in result.items():
        found[f"result/{name}"] = {0: value}
    return found


def assert_told(found, lines, workdir, cast=float):
    for name, values in expected(lines).items():
        values = {step: cast(value) for step, value in values.items()}
        assert found[name] == values, name
    for name, mask in kprune.masks.load(workdir / "masks.npz").items():
        kept = dict.fromkeys(range(1, EPOCHS + 1), float(mask.sum()))
        assert found[f"kept/{name}"] == kept
        for value in found[f"sparsity/{name}"].values():
            assert value == pytest.approx(1 - mask.mean(), abs=1e-6)
    assert set(found["mask_churn"].values()) == {0}


class Kept:
    """A destination that keeps what it is told."""

    runs = {}

    def __init__(self, workdir, name, settings, held):
        self.held = held or f"{name}-{len(self.runs)}"
        self.told = self.runs.setdefault(self.held, {})
        self.told["settings"] = settings

    @staticmethod
    def check():
        pass

    def log(self, values, step):
        for name, value in values.items():
            self.told.setdefault(name, {})[step] = value

    def finish(self, values, paths):
        self.log(values, 0)
        self.told["files"] = sorted(path.name for path in paths)

    def stop(self):
        self.told["stopped"] = self.told.get("stopped", 0) + 1


def test_a_resumed_run_is_one_run_there(tmp_path, monkeypatch):
    monkeypatch.setitem(destinations.DESTINATIONS, "mlflow", Kept)
    monkeypatch.setattr(Kept, "runs", {})
    lines = run_twice(["mlflow"], tmp_path / "run", monkeypatch)
    (found,) = Kept.runs.values()
    assert_told(found, lines, tmp_path / "run")
    assert found["settings"]["pruner.sparsity"] == 0.75
    assert found["stopped"] == 1  # When it was interrupted.
    files = ["config.json", "masks.npz", "metrics.jsonl", "report.html"]
    assert found["files"] == sorted([*files, "report.json"])


def test_a_destination_that_fails_ends_no_run(tmp_path, monkeypatch):
    class Failing(Kept):
        def log(self, values, step):
            raise OSError("the server is gone")

    monkeypatch.setitem(destinations.DESTINATIONS, "mlflow", Failing)
    with pytest.warns(UserWarning, match=r"no longer to mlflow: the server"):
        result = experiment.run(config(["mlflow"]), tmp_path / "a", verbose=0)
    plain = experiment.run(config(None), tmp_path / "b", verbose=0)
    assert result["test_loss"] == plain["test_loss"]


@pytest.mark.parametrize(
    ("track", "words"),
    [
        (["mlflw"], "Did you mean 'mlflow'"),
        ("mlflow", "`config.track` to be a list of tensorboard, wandb, mlflow"),
    ],
)
def test_an_unknown_destination_is_refused(track, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        experiment.run(config(track), tmp_path / "run", verbose=0)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_extra_is_named(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match=rf'pip install "kprune\[{name}\]"'):
        destinations.check([name])


# Against the real ones: each needs its extra.


def test_tensorboard_has_the_values(tmp_path, monkeypatch):
    pytest.importorskip("tensorboard", reason="needs kprune[tensorboard]")
    from tensorboard.backend.event_processing import event_accumulator
    from tensorboard.util import tensor_util

    lines = run_twice(["tensorboard"], tmp_path, monkeypatch)
    read = event_accumulator.EventAccumulator(
        str(tmp_path / "tensorboard" / "kprune"), size_guidance={"tensors": 0}
    )
    read.Reload()
    found = {
        tag: {
            event.step: tensor_util.make_ndarray(event.tensor_proto).item()
            for event in read.Tensors(tag)
        }
        for tag in read.Tags()["tensors"]
        if tag != "config"
    }
    assert_told(found, lines, tmp_path, cast=lambda v: float(np.float32(v)))


def logged(data):
    """Yields the records of a file of W&B: after a header of 7 bytes, blocks of
    32 KiB with pieces of (checksum, length, kind), as LevelDB's logs."""
    place, whole = 7, b""
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:  # No piece begins there.
            place += 32768 - place % 32768
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        place += 7
        whole += data[place : place + length]
        place += length
        if kind in (1, 4):  # The whole of a record, or the last of it.
            yield whole
            whole = b""


def test_wandb_offline_has_the_values(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="needs kprune[wandb]")
    from wandb.proto import wandb_internal_pb2

    monkeypatch.setenv("WANDB_MODE", "offline")
    lines = run_twice(["wandb"], tmp_path, monkeypatch)
    *_, last = sorted(glob.glob(f"{tmp_path}/wandb/offline-run-*/*.wandb"))
    held = json.loads((tmp_path / "tracking.json").read_text())["wandb"]
    assert held in last
    found = {}
    for data in logged(pathlib.Path(last).read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        items = [
            ("/".join(item.nested_key) or item.key, json.loads(item.value_json))
            for item in record.history.item
        ]
        for name, value in items:
            step = dict(items)["_step"]
            found.setdefault(name, {})[step] = value
        for item in record.summary.update:
            name = "/".join(item.nested_key) or item.key
            if name.startswith("result/"):
                found[name] = {0: json.loads(item.value_json)}
    assert_told(found, lines, tmp_path)


def test_wandb_without_a_key_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="needs kprune[wandb]")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ValueError, match="Set WANDB_MODE=offline"):
        destinations.check(["wandb"])


def free_port():
    with socket.create_server(("localhost", 0)) as one:
        return one.getsockname()[1]


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A real server of MLflow, at MLFLOW_TRACKING_URI."""
    pytest.importorskip("mlflow", reason="needs kprune[mlflow]")
    uri = f"http://localhost:{free_port()}"
    port = uri.rpartition(":")[2]
    store = f"sqlite:///{tmp_path}/mlflow.db"
    command = [sys.executable, "-m", "mlflow", "server", "--port", port]
    command += ["--backend-store-uri", store, "--workers", "1"]
    command += ["--artifacts-destination", str(tmp_path / "artifacts")]
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            end = time.time() + 240
            while time.time() < end:
                try:
                    urllib.request.urlopen(f"{uri}/health", timeout=60).close()
                    break
                except OSError:
                    time.sleep(0.5)
            monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
            yield uri
        finally:
            subprocess.run(["kill", "--", f"-{process.pid}"], check=False)


@pytest.mark.slow
def test_an_mlflow_server_has_the_values(server, tmp_path, monkeypatch):
    from mlflow.tracking import MlflowClient

    workdir = tmp_path / "run"
    lines = run_twice(["mlflow"], workdir, monkeypatch)
    client = MlflowClient(server)
    place = client.get_experiment_by_name("kprune").experiment_id
    (one,) = client.search_runs([place])
    assert one.info.status == "FINISHED"
    assert one.data.params["pruner.method"] == '"random"'
    found = {
        name: {
            metric.step: metric.value
            for metric in client.get_metric_history(one.info.run_id, name)
        }
        for name in one.data.metrics
    }
    assert_told(found, lines, workdir)
    names = {file.path for file in client.list_artifacts(one.info.run_id)}
    assert {"report.html", "metrics.jsonl", "masks.npz"} <= names


def test_an_mlflow_without_its_server_is_refused(tmp_path, monkeypatch, capsys):
    pytest.importorskip("mlflow", reason="needs kprune[mlflow]")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://localhost:{free_port()}")
    with pytest.raises(SystemExit) as ended:
        kprune_command.main(
            [
                *("kprune", "train", "--config=quickstart", "--track=mlflow"),
                f"--workdir={tmp_path}/run",
            ]
        )
    said = "".join([*capsys.readouterr(), str(ended.value)])
    assert "MLflow does not answer at http://localhost" in said
    assert not (tmp_path / "run").exists()
