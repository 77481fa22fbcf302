"""`kprune.experiment.tune`: what is searched, one trial, the table."""

import json
import pathlib

import missing_packages
import pytest

from kprune import experiment
from kprune.experiment.tuning import searching, space, trials
from kprune.experiment.tuning.space import METHOD, RATE, SCHEDULE, SPARSITY
from kprune.runtime import extras, tables

TINY = {
    "dataset": {"batch_size": 64, "validation": 0.2},
    "model": {"name": "fc", "widths": (8,)},
    "training": {"epochs": 2, "steps_per_epoch": 2},
}


@pytest.fixture
def base():
    return experiment.complete(TINY)


# What is searched.


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({}, "at least one key"),
        ([], "a dict"),
        ({"pruner.sparsiti": [0.5]}, "Did you mean 'pruner.sparsity'"),
        ({SPARSITY: 0.5}, "Expected a list, or a range"),
        ({SPARSITY: []}, "Expected a list, or a range"),
        ({SPARSITY: [0.5, 1.0]}, "pruner.sparsity"),
        ({SPARSITY: experiment.Range(0.5, 1.5)}, "pruner.sparsity"),
        ({RATE: [0.0]}, "learning_rate"),
        ({METHOD: ["snipp"]}, "Did you mean 'snip'"),
        ({METHOD: experiment.Range(0, 1)}, "a list of names"),
        ({SCHEDULE: ["linnear"]}, "Did you mean 'linear'"),
    ],
)
def test_what_cannot_be_searched_is_refused(base, over, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        experiment.tune(base, tmp_path / "runs", over)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("changes", "options", "said"),
    [
        ({"dataset": {}}, {}, "must not choose by the test set"),
        ({"distribute": "multi_worker"}, {}, "a trial runs on one host"),
        ({}, {"engine": "rya"}, "engine"),
        ({}, {"metric": "test_accuracy"}, "metric"),
        ({}, {"trials": 0}, "trials"),
        (
            {},
            {"engine": "keras_tuner", "executor": experiment.RayExecutor()},
            "for engine='ray'",
        ),
    ],
)
def test_a_search_that_would_mislead_is_refused(
    changes, options, said, tmp_path
):
    config = {**TINY, **changes}
    with pytest.raises(ValueError, match=said):
        experiment.tune(config, tmp_path / "x", {SPARSITY: [0.5]}, **options)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("engine", searching.ENGINES)
def test_an_engine_that_is_missing_is_named(engine, monkeypatch, tmp_path):
    missing_packages.hide(monkeypatch, "ray", "ray.tune", "keras_tuner")
    with pytest.raises(ValueError, match=r"pip install .kprune\[tune\]"):
        experiment.tune(TINY, tmp_path / "x", {SPARSITY: [0.5]}, engine=engine)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [((2, 1), "less than high"), ((0, 1, True), "more than 0")],
)
def test_a_range_goes_up(arguments, said):
    with pytest.raises(ValueError, match=said):
        experiment.Range(*arguments)


def test_a_trial_is_the_config_with_its_point(base):
    point = {METHOD: "grasp", SPARSITY: 0.7, SCHEDULE: "linear", RATE: 0.01}
    config = space.at(base, point)
    assert config.pruner.method == "grasp"
    assert config.pruner.sparsity == 0.7
    assert config.pruner.schedule == "linear"
    assert config.training.learning_rate == 0.01
    assert config.model.widths == (8,)
    assert not config.artifacts
    # How others prune is not part of the dense run.
    dense = [
        space.at(base, {**point, METHOD: "dense", SPARSITY: s})
        for s in (0.1, 0.2)
    ]
    assert len({experiment.name(config) for config in dense}) == 1


def test_what_is_drawn_has_four_digits():
    point = {METHOD: "snip", RATE: 0.00123456}
    assert space.rounded(point) == {METHOD: "snip", RATE: 0.001235}


# One trial.


def test_a_trial_reports_each_epoch_once_and_again_when_it_is_finished(
    base, tmp_path
):
    point = {METHOD: "random", SPARSITY: 0.5}
    reports, done = ([], []), []
    for lines in reports:

        def report(line, lines=lines):
            lines.append(line)
            done.append(bool(list(tmp_path.glob("*/DONE"))))

        result = trials.perform(base.to_dict(), point, tmp_path, None, report)
    first, again = reports
    assert [line["epoch"] for line in first] == [1, 2]
    assert [line["epoch"] for line in again] == [1, 2]
    for one, other in zip(first, again, strict=True):
        assert one["val_loss"] == pytest.approx(other["val_loss"], rel=1e-6)
    (workdir,) = tmp_path.iterdir()
    assert done == [False, True] + [True, True]  # Ray ends it at its last.
    assert (workdir / "sweep.log").read_text().count(", process ") == 2
    assert result == experiment.result(workdir)
    found = trials.outcome_of(base, point, tmp_path, "val_loss")
    assert found.state == "finished"
    assert found.epochs == 2
    assert found.value == pytest.approx(first[-1]["val_loss"], rel=1e-6)


def test_a_run_that_goes_on_reports_the_epochs_before(tmp_path):
    lines = [{"epoch": n, "val_loss": 1.0 / n, "seconds": 1.0} for n in (1, 2)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "metrics.jsonl").write_text(text)
    told = []
    reporter = trials.Reporter(told.append, tmp_path, 4)
    reporter.on_epoch_end(2, {"val_loss": 0.25})
    assert [(line["epoch"], line["val_loss"]) for line in told] == [
        (1, 1.0),
        (2, 0.5),
        (3, 0.25),
    ]


def test_a_trial_that_fails_says_why(base, tmp_path):
    config = base.to_dict()
    config["pruner"]["on_collapse"] = "error"
    point = {METHOD: "random", SPARSITY: 0.999}
    with pytest.raises(trials.Failed, match="At sparsity"):
        trials.perform(config, point, tmp_path, None, print)


# The whole, with an engine that draws what it is told.


def trial(name, state, value, epochs=2):
    return trials.Trial({SPARSITY: 0.5}, name, state, epochs, value)


def test_the_best_is_the_best_of_those_that_finished(tmp_path, monkeypatch):
    found = [
        trial("a", "stopped", 0.99, 1),
        trial("b", "failed", None, 0),
        trial("c", "finished", 0.5),
        trial("d", "finished", 0.75),
        trial("d", "finished", 0.75),  # Drawn twice.
    ]
    asked = []

    def engine(base, runs, over, settings):
        asked.append((settings.trials, settings.seed, settings.mode))
        return found

    monkeypatch.setattr(extras, "load", lambda *_: None)  # As if installed.
    monkeypatch.setitem(searching.ENGINES, "keras_tuner", engine)
    runs = tmp_path / "runs"
    options = {"engine": "keras_tuner", "trials": 5, "seed": 3}
    told = experiment.tune(TINY, runs, {SPARSITY: [0.5]}, **options)
    assert [one.name for one in told] == ["d", "c", "a", "b"]
    assert asked == [(5, 3, "max")]
    text = (runs / searching.TABLE).read_text()
    assert text == f"{searching.table(told, 'val_accuracy', tables.markdown)}\n"
    assert "| 0.5 | finished | 2 | 0.75 | d |" in text
    lowest = searching.ordered(found, "min")
    assert [one.name for one in lowest] == ["c", "d", "a", "b"]


def names(runs):
    return sorted(path.name for path in runs.glob("*/DONE"))


@pytest.mark.slow
@missing_packages.needs("keras_tuner")
@missing_packages.needs("sklearn")
def test_keras_tuner_searches_and_finds_again(tmp_path):
    over = {
        METHOD: ["random", "magnitude"],
        RATE: experiment.Range(1e-4, 1e-1, log=True),
    }
    both = [
        experiment.tune(TINY, tmp_path, over, engine="keras_tuner", trials=3)
        for _ in range(2)
    ]
    assert both[0] == both[1]
    assert {one.state for one in both[0]} == {"finished"}
    logs = pathlib.Path(tmp_path).glob("*/sweep.log")
    text = [log.read_text().count("Epoch 1/") for log in logs]
    assert text == [1] * len(both[0])


@pytest.mark.slow
@missing_packages.needs("ray.tune")
def test_ray_tune_searches_and_ends_what_is_behind(tmp_path):
    config = {**TINY, "training": {"epochs": 8, "steps_per_epoch": 2}}
    over = {
        METHOD: ["random", "magnitude"],
        RATE: experiment.Range(1e-5, 1e-1, log=True),
    }
    options = {"trials": 4, "reduction": 2, "metric": "val_loss"}
    found = experiment.tune(config, tmp_path, over, **options)
    states = [one.state for one in found]
    assert states.count("finished") >= 1
    assert set(states) <= {"finished", "stopped"}
    assert all(one.epochs < 8 for one in found if one.state == "stopped")
    again = experiment.tune(config, tmp_path, over, **options)
    assert {one.name for one in again} == {one.name for one in found}
