"""A run owns its directory: what faults leave there is made again, or told."""

import errno
import json
import os
import pathlib
import shutil
import signal
from concurrent import futures

import keras
import pytest
import tensorflow as tf

from kprune import experiment, training
from kprune.deploy.exporting import saved_model
from kprune.experiment import directory
from kprune.experiment.training import mend
from kprune.runtime import files, locks

CONFIG = experiment.complete(
    {
        "dataset": {"name": "digits", "batch_size": 64},
        "model": {"name": "fc", "widths": (8,)},
        "pruner": {"method": "random", "sparsity": 0.5},
        "training": {"epochs": 1, "steps_per_epoch": 2},
    }
)
FILES = {
    "DONE",
    "config.json",
    "masks.npz",
    "metrics.jsonl",
    "model.keras",
    "report.json",
    "saved_model",
}


SERVED = {"model.keras", "saved_model"}  # They take longest.
QUICK = experiment.complete({**CONFIG.to_dict(), "artifacts": False})


def run(workdir, config=CONFIG):
    return experiment.run(config, workdir, verbose=0)


def there(workdir):
    return {path.name for path in pathlib.Path(workdir).iterdir()}


@pytest.fixture(scope="module")
def run_once(tmp_path_factory):
    """A finished run, and the same as a kill before `DONE` leaves it."""
    workdir = tmp_path_factory.mktemp("runs") / "run"
    before = workdir.with_name("before")
    finish = directory.finish

    def copied(*arguments):
        shutil.copytree(workdir, before)
        finish(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(directory, "finish", copied)
        run(workdir)
    (before / ".lock").write_text(json.dumps({"boot": locks._boot()}))
    return workdir, before


@pytest.fixture
def finished(run_once, tmp_path):
    return shutil.copytree(run_once[0], tmp_path / "run")


@pytest.fixture
def unfinished(run_once, tmp_path):
    return shutil.copytree(run_once[1], tmp_path / "run")


# What was left half-made.


def test_killed_after_the_saved_model_it_finishes(unfinished, run_once):
    assert "saved_model" in there(unfinished)
    found = run(unfinished)
    assert found["test_loss"] == experiment.result(run_once[0])["test_loss"]
    assert there(unfinished) == FILES


def test_killed_after_done_the_litter_goes(finished):
    (finished / "checkpoints").mkdir()
    (finished / "checkpoints" / "step-000000002.npz").touch()
    (finished / f".kprune-{'0' * 32}").mkdir()
    run(finished)
    assert there(finished) == FILES
    (finished / locks.NAME).touch()  # Killed before all else.
    run(finished)
    assert there(finished) == FILES


@pytest.mark.parametrize("how", ["C++", "Python"])
def test_a_disk_that_fills_while_it_exports(unfinished, monkeypatch, how):
    def full(self, path, **options):
        os.mkdir(path)
        if how == "C++":
            message = "{{node on /device:CPU:0}} /a/b; No space [Op:SaveV2]\nat"
            raise tf.errors.ResourceExhaustedError(None, None, message)
        raise OSError(errno.ENOSPC, "No space")

    with monkeypatch.context() as patch:
        archive = type(keras.export.ExportArchive())
        patch.setattr(archive, "write_out", full)
        with pytest.raises(OSError, match=r"Cannot write .*model: No space\.$"):
            run(unfinished)
    assert "DONE" not in there(unfinished)
    assert not files.staged(unfinished)
    run(unfinished)
    assert there(unfinished) == FILES


@pytest.mark.parametrize("content", ["", "{", '{"test_accuracy": 0.9}\n{}'])
def test_a_damaged_end_is_none(run_once, tmp_path, content):
    unfinished = shutil.copytree(run_once[1], tmp_path / "run")
    (unfinished / "DONE").write_text(content)
    assert experiment.status(unfinished, CONFIG) == "resumable"
    with pytest.raises(ValueError, match="does not hold a finished run"):
        experiment.result(unfinished)


def test_an_end_of_which_a_bit_is_wrong_is_none(finished):
    text = (finished / "DONE").read_text()
    (finished / "DONE").write_text(text.replace("0.5", "0.6"))
    assert experiment.status(finished, CONFIG) == "unfinished"


def test_linked_checkpoints_start_over(unfinished, tmp_path):
    scratch = shutil.move(unfinished / "checkpoints", tmp_path / "scratch")
    (unfinished / "checkpoints").symlink_to(scratch)
    assert experiment.status(unfinished, CONFIG) == "resumable"
    for path in scratch.iterdir():
        path.unlink()
    assert experiment.status(unfinished, CONFIG) == "unfinished"
    run(unfinished, QUICK)
    assert there(unfinished) == FILES - SERVED
    assert list(scratch.iterdir()) == []


# What is lost.


@pytest.mark.parametrize("damage", ["remove", "cut"])
def test_a_saved_model_is_made_again(finished, damage):
    path = finished / "saved_model"
    if damage == "remove":
        shutil.rmtree(path)
    else:
        os.truncate(path / "saved_model.pb", 100)
    run(finished)
    assert not directory.damaged(finished)
    assert there(finished) == FILES
    tf.saved_model.load(str(path))


@pytest.mark.parametrize("name", sorted(FILES - {"DONE", "saved_model"}))
def test_what_cannot_be_made_again_is_told(finished, name):
    content = bytearray((finished / name).read_bytes())
    content[len(content) // 2] ^= 1
    (finished / name).write_bytes(content)
    assert f"but {name} is damaged. That" in mend(finished)
    (finished / name).unlink()
    assert f"but {name} is missing. That" in mend(finished)
    if name != "config.json":
        with pytest.warns(UserWarning, match=f"{name} is missing.*starts over"):
            run(finished)


@pytest.mark.parametrize(
    ("moment", "again", "said"),
    [
        ("on_train_batch_end", False, "Could not save the ch|Cannot write"),
        ("on_train_end", False, r"Cannot write .*metrics\.jsonl"),
        ("on_train_end", True, "was removed or replaced while a process"),
    ],
)
def test_a_directory_that_is_removed_meanwhile_is_an_error(
    tmp_path, monkeypatch, moment, again, said
):
    workdir = tmp_path / "run"

    def remove(*_, **__):
        if workdir.exists():
            shutil.rmtree(workdir)
        if again:
            workdir.mkdir()

    remover = keras.callbacks.Callback()
    setattr(remover, moment, remove)
    monkeypatch.setattr(
        experiment.training, "_tensorboard", lambda *_: [remover]
    )
    with pytest.raises(OSError, match=said):
        run(workdir, QUICK)
    assert not workdir.exists() or "DONE" not in there(workdir)


# Two at once.


def test_the_second_process_is_refused_at_the_start(tmp_path, monkeypatch):
    monkeypatch.setattr(experiment.training, "build_complete", None)
    with locks.held(tmp_path), futures.ThreadPoolExecutor() as another:
        refused = another.submit(run, tmp_path).exception()
    assert isinstance(refused, locks.Held)
    who = f"is in use by process {os.getpid()} on "
    assert who in str(refused)
    assert there(tmp_path) == set()


def test_it_holds_its_directory_to_the_end(tmp_path, monkeypatch):
    seen = []
    replace = saved_model.replace

    def look(*arguments):
        seen.append(locks.holder(tmp_path / "run"))
        return replace(*arguments)

    monkeypatch.setattr(saved_model, "replace", look)
    run(tmp_path / "run")
    assert seen[0].startswith(f"process {os.getpid()} on ")
    assert locks.holder(tmp_path / "run") is None


# Signals.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_ends(
    tmp_path, monkeypatch, number, heard_interrupts
):
    class Sender(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 0:
                os.kill(os.getpid(), number)

    before = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
    with monkeypatch.context() as patch:
        patch.setattr(
            experiment.training, "_tensorboard", lambda *_: [Sender()]
        )
        with pytest.raises(training.Terminated) as ended:
            run(tmp_path, QUICK)
    assert ended.value.code == 128 + number
    assert "after step 1 and saved in" in str(ended.value)
    after = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
    assert after == before
    assert experiment.status(tmp_path, CONFIG) == "resumable"
    run(tmp_path, QUICK)
    assert there(tmp_path) == FILES - SERVED
