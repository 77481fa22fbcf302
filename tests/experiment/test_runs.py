"""Runs as values: configs, directories, and what a run does in between."""

import copy
import json
import pathlib

import keras
import numpy as np
import pytest
from ml_collections import ConfigDict

import kprune
from kprune import experiment
from kprune.experiment import directory, preparation, rows, runs, training

TINY = {
    "dataset": {"name": "digits", "batch_size": 64},
    "model": {"name": "fc", "widths": (16,)},
    "pruner": {"method": "random", "sparsity": 0.75},
    "training": {"epochs": 2, "steps_per_epoch": 3},
    "artifacts": False,
}


def tiny(**changes):
    """Returns the config of a run of about a second."""
    config = ConfigDict(TINY)
    config.update_from_flattened_dict(changes)
    return experiment.complete(config)


def lines_of(workdir):
    text = (pathlib.Path(workdir) / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The directory of a finished run, and its result."""
    workdir = tmp_path_factory.mktemp("runs") / "tiny"
    return workdir, experiment.run(tiny(), workdir, verbose=0)


# The config.


def test_complete_fills_in_and_keeps():
    given = {"pruner": {"sparsity": 0.5}, "model": {"name": "fc", "widths": 3}}
    before = copy.deepcopy(given)
    config = experiment.complete(given)
    assert config.pruner.sparsity == 0.5
    assert config.pruner.method == experiment.default().pruner.method
    assert config.model.widths == 3
    assert given == before
    assert experiment.complete(config).to_dict() == config.to_dict()
    dense = {"pruner": {"method": "dense", "sparsity": 0.9}}
    assert experiment.complete(dense).pruner.sparsity == 0


def test_none_can_be_overridden_by_any_type():
    config = experiment.default()
    config.pruner.allocation = {"fc1": 0.5}
    config.dataset.seed = 3
    assert config.dataset.seed == 3


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"trainig": {}}, "`config`: 'trainig'. Did you mean 'training'"),
        ({"training": {"epoch": 1}}, "`config.training`: 'epoch'. Did you me"),
        ({"pruner": {"sparsty": 0.9}}, "Did you mean 'sparsity'?"),
        ({"training": {"epochs": 2.5}}, "Expected int, as in 5"),
        ({"training": {"epochs": True}}, "Expected int"),
        ({"training": 5}, "to be a dict of optimizer"),
        ({"seed": -1}, "integer >= 0"),
        ({"model": {"initializer": object()}}, "holds numbers, strings"),
    ],
)
def test_a_wrong_config_is_answered(config, expected):
    with pytest.raises(ValueError) as error:
        experiment.complete(config)
    assert expected in str(error.value)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"dataset.name": "digit"}, "Did you mean 'digits'?"),
        ({"model.name": "fcc"}, "Did you mean 'fc'?"),
        ({"model.width": 3}, "unexpected keyword argument 'width'"),
        ({"pruner.method": "gras"}, "Did you mean 'grasp' or"),
        ({"pruner.options.power": 2}, "Unknown option of method 'random'"),
        ({"training.optimizer": "adem"}, "Did you mean 'adam'"),
        ({"training.optimizer_options.beta1": 0.5}, "Did you mean 'beta_1'"),
    ],
)
def test_what_there_is_not_is_answered_before_writing(
    changes, expected, tmp_path
):
    config = ConfigDict(TINY)
    config.pruner.options, config.training.optimizer_options = {}, {}
    config.update_from_flattened_dict(changes)
    with pytest.raises(ValueError) as error:
        experiment.run(config, tmp_path / "run")
    assert expected in str(error.value)
    assert not (tmp_path / "run").exists()


# Seeds.


def test_seeds_are_derived_and_apart():
    found = runs.derived_seeds(tiny())
    assert len(set(found.values())) == 3
    assert found == runs.derived_seeds(tiny())
    other = runs.derived_seeds(tiny(seed=1))
    assert not set(found.values()) & set(other.values())
    # One of its own leaves the others.
    changed = runs.derived_seeds(tiny(**{"pruner.seed": 5}))
    assert changed == {**found, "pruning": 5}


def test_pruning_changes_neither_start_nor_order():
    pruned = experiment.build(tiny())
    dense = experiment.build(tiny(**{"pruner.method": "dense"}))
    masks = kprune.get_masks(pruned.model)
    plain = kprune.strip(pruned.model)
    for layer in ("fc1", "fc2"):
        one, other = (m.get_layer(layer).kernel for m in (plain, dense.model))
        np.testing.assert_array_equal(one, other * masks[f"{layer}/kernel"])
    pairs = zip(pruned.train(0).take(4), dense.train(0).take(4), strict=True)
    for (x, _), (other, _) in pairs:
        np.testing.assert_array_equal(x, other)


def test_the_scoring_batch_follows_the_pruning_seed_alone():
    def mask(**changes):
        changes = {"pruner.method": "snip", **changes}
        model = experiment.build(tiny(**changes)).model
        return kprune.get_masks(model)["fc1/kernel"]

    first = mask()
    np.testing.assert_array_equal(first, mask(**{"dataset.seed": 7}))
    assert (first != mask(**{"pruner.seed": 7})).any()


# The directory.


def test_a_run_leaves_its_record(finished):
    workdir, result = finished
    names = "DONE config.json masks.npz metrics.jsonl report.json"
    assert sorted(p.name for p in workdir.iterdir()) == names.split()
    record = json.loads((workdir / "config.json").read_text())
    network = {"name": "fc", "seed": None, "widths": [16]}
    assert record["config"]["model"] == network
    assert record["seeds"] == runs.derived_seeds(tiny())
    assert record["versions"]["keras"] == keras.__version__
    names = "keras kprune numpy python tensorflow"
    assert sorted(record["versions"]) == names.split()
    *epochs, last = lines_of(workdir)
    assert [line["epoch"] for line in epochs] == [1, 2]
    for line in epochs:
        assert {"loss", "accuracy", "val_loss", "val_accuracy"} < set(line)
        assert line["sparsity"] == 0.75
        assert line["seconds"] > 0
    assert last == result == experiment.result(workdir)
    assert last["test_accuracy"] == epochs[-1]["val_accuracy"]
    report = json.loads((workdir / "report.json").read_text())
    # 64 x 16 and 16 x 10 weights: a quarter of 1184.
    assert (report["kept"], report["total"]) == (296, 1184)
    masks = kprune.masks.load(workdir / "masks.npz")
    assert sum(int(mask.sum()) for mask in masks.values()) == 296


def test_a_finished_run_is_not_run_again(finished, monkeypatch):
    workdir, result = finished
    monkeypatch.setattr(training, "build_complete", None)
    assert experiment.run(tiny(), workdir) == result


def test_the_same_config_gives_the_same_run(finished, tmp_path):
    workdir, result = finished
    again = experiment.run(tiny(), tmp_path / "again", verbose=0)
    assert again["test_loss"] == pytest.approx(result["test_loss"], rel=1e-5)
    for name, mask in kprune.masks.load(workdir / "masks.npz").items():
        other = kprune.masks.load(tmp_path / "again/masks.npz")[name]
        np.testing.assert_array_equal(mask, other)


def test_status_names_the_keys_that_differ(finished):
    workdir, _ = finished
    assert experiment.status(workdir, tiny()) == "finished"
    other = tiny(seed=3, **{"training.epochs": 4})
    assert experiment.differences(workdir, other) == [
        ("seed", 0, 3),
        ("training.epochs", 2, 4),
    ]
    with pytest.raises(ValueError) as error:
        experiment.status(workdir, other)
    assert "training.epochs: 2 there, 4 here" in str(error.value)
    with pytest.raises(ValueError, match="another run"):
        experiment.run(other, workdir)


def test_a_finished_run_is_not_trained_over(finished):
    workdir, result = finished
    with pytest.raises(ValueError, match="finished"):
        experiment.train(experiment.build(tiny()), workdir)
    assert experiment.result(workdir) == result


def test_an_unfinished_run_starts_over(tmp_path):
    config = tiny(**{"pruner.method": "dense"})
    assert experiment.status(tmp_path, config) == "new"
    directory.start(tmp_path, {"config": config.to_dict()})
    for name in ("masks.npz", "metrics.jsonl", "saved_model/x/y"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("left over\n")
    (tmp_path / "mine.txt").write_text("not kprune's\n")
    assert experiment.status(tmp_path, config) == "unfinished"
    experiment.run(config, tmp_path, verbose=0)
    assert experiment.status(tmp_path, config) == "finished"
    # A dense run has no masks; what is not kprune's stays.
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "DONE",
        "config.json",
        "metrics.jsonl",
        "mine.txt",
        "report.json",
    ]
    assert len(lines_of(tmp_path)) == 3


def test_a_run_that_fails_is_not_finished(tmp_path, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(kprune.masks, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        experiment.run(tiny(), tmp_path, verbose=0)
    assert experiment.status(tmp_path, tiny()) == "resumable"
    assert not list(tmp_path.glob("*.part"))


class Interruption(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations == 4:
            raise KeyboardInterrupt


def test_a_resumed_run_is_the_same_and_scores_nothing(
    finished, tmp_path, monkeypatch
):
    workdir, result = finished
    with monkeypatch.context() as patch:
        patch.setattr(training, "_tensorboard", lambda *_: [Interruption()])
        with pytest.raises(KeyboardInterrupt):
            experiment.run(tiny(), tmp_path, verbose=0)
    assert experiment.status(tmp_path, tiny()) == "resumable"
    with pytest.raises(ValueError, match="another run"):
        experiment.status(tmp_path, tiny(seed=1))
    monkeypatch.setattr(preparation, "prune", None)
    again = experiment.run(tiny(), tmp_path, verbose=0)
    assert again.pop("seconds") > 0
    assert again == {k: v for k, v in result.items() if k != "seconds"}
    for one, other in zip(lines_of(workdir), lines_of(tmp_path), strict=True):
        assert one | {"seconds": 0} == other | {"seconds": 0}
    reports = [(d / "report.json").read_text() for d in (workdir, tmp_path)]
    assert reports[0] == reports[1]
    assert not (tmp_path / "checkpoints").exists()


def test_a_run_without_masks_is_not_trained(tmp_path):
    run = experiment.build(tiny(), resumes=True)
    with pytest.raises(ValueError, match="resumes=False"):
        experiment.train(run, tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_the_papers_train_with(tmp_path):
    papers = rows.torch_sgd(5e-4, rows.tenth_at("1ep"), epochs=2)
    papers["label_smoothing"] = 0.1
    changes = {f"training.{name}": value for name, value in papers.items()}
    config = tiny(artifacts=True, **changes)
    run = experiment.build(config)
    rate = run.model.optimizer._learning_rate
    assert [float(rate(step)) for step in (2, 3)] == pytest.approx([0.1, 0.01])
    experiment.train(run, tmp_path, verbose=0)
    # Keras alone can load it, so without an optimizer of kprune's.
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert not loaded.compiled
    x = np.ones((2, 8, 8, 1), "float32")
    np.testing.assert_allclose(loaded(x), kprune.strip(run.model)(x), atol=1e-6)


@pytest.mark.parametrize(
    ("precision", "distribute"),
    [
        ("mixed_float16", "mirrored"),
        ("mixed_bfloat16", "none"),
        pytest.param("mixed_float16", "none", marks=pytest.mark.slow),
        pytest.param("mixed_bfloat16", "mirrored", marks=pytest.mark.slow),
    ],
)
def test_half_precision(tmp_path, precision, distribute):
    before = keras.config.dtype_policy().name
    config = tiny(
        precision=precision,
        distribute=distribute,
        **{"pruner.method": "snip", "dataset.drop_remainder": True},
    )
    run = experiment.build(config)
    assert keras.config.dtype_policy().name == before
    assert run.model.layers[-1].layer.compute_dtype == precision.split("_")[1]
    result = experiment.train(run, tmp_path, verbose=0)
    assert result["sparsity"] == 0.75
    lines = lines_of(tmp_path)
    assert lines[1]["loss"] < lines[0]["loss"]
    strategy = run.model.distribute_strategy
    for weight in kprune.masking.weights.find(run.model):
        copies = strategy.experimental_local_results(weight.variable.value)
        assert len(copies) == (2 if distribute == "mirrored" else 1)
        for one in copies:
            assert one.dtype == "float32"
            np.testing.assert_array_equal(one, copies[0])
            assert not one.numpy()[~weight.mask.numpy()].any()


def test_tensorboard_is_an_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'kprune\[tensorb"):
        experiment.build(tiny(tensorboard=True))


def test_labels_that_do_not_fit_the_network():
    with pytest.raises(ValueError, match=r"model\.classes`. Expected 10 "):
        experiment.build(tiny(**{"model.classes": 9}))


def test_files_of_others_are_not_overwritten(tmp_path):
    (tmp_path / "model.keras").write_text("precious")
    with pytest.raises(ValueError, match=r"holds model\.keras"):
        experiment.status(tmp_path, tiny())
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="not written by kprune"):
        experiment.status(tmp_path, tiny())


def test_a_directory_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for path in ("file", "file/run", "file/run/deeper"):
        with pytest.raises(ValueError, match=r"not a directory|no file is"):
            experiment.status(tmp_path / path, tiny())


@pytest.mark.skipif(not pathlib.Path("/proc").is_dir(), reason="Linux only")
def test_a_directory_without_permission_is_refused():
    with pytest.raises(ValueError, match="Cannot write to"):
        experiment.status("/proc/run", tiny())


def test_validation_is_held_out_of_training():
    run = experiment.build(
        tiny(**{"dataset.validation": 0.25, "training.steps_per_epoch": None})
    )
    # A quarter of 1437 images is 359; batches of 64.
    epoch = run.train(0).take(run.steps_per_epoch)
    for part, size in ((epoch, 1078), (run.validation, 359), (run.test, 360)):
        assert sum(len(y) for _, y in part) == size
