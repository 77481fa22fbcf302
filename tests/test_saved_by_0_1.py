"""What kprune 0.1 saved opens, and is gone on with.

`tests/fixtures/saved_by_0_1.tar.xz` was written by 0.1.0 and does not change.
It was written on Keras 3.15, whose files an older Keras does not load, and on
one processor: another one rounds otherwise, so that what is computed anew is
compared up to rounding. That resuming is exact is tested beside each search
and callback.
"""

import json
import pathlib
import tarfile

import fixture_building as building
import keras
import numpy as np
import pytest

import kprune
import kprune_command
from kprune.tickets import training_segment

if tuple(map(int, keras.__version__.split(".")[:2])) < (3, 15):
    pytest.skip("needs Keras 3.15, as the files do", allow_module_level=True)

ARCHIVE = pathlib.Path(__file__).parent / "fixtures" / "saved_by_0_1.tar.xz"
with tarfile.open(ARCHIVE) as archive:
    EXPECTED = json.load(archive.extractfile("expected.json"))
MODELS = EXPECTED["models"]
SLOW = pytest.mark.slow
SOFT = ("soft_threshold", "hard_concrete")
SELECTED = ("edge_popup", "biprop", "supermask", "selected")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Returns the directory of what 0.1 saved."""
    directory = tmp_path_factory.mktemp("saved_by_0_1")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(directory, filter="data")
    return directory


def arrays_of(path):
    with np.load(path) as file:
        return dict(file)


def part(arrays, prefix):
    return {
        name.removeprefix(prefix): value
        for name, value in arrays.items()
        if name.startswith(prefix)
    }


def same(found, expected, tolerance=1e-6):
    found = np.asarray(found, "float32")
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def same_history(found, expected):
    """Checks histories: dicts from a name to a list of numbers."""
    # `SparsityLogger` logs more by now.
    for name, values in expected.items():
        assert found[name] == pytest.approx(values, rel=1e-5, abs=1e-6)


def equal(found, expected):
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_computes_as_it_did(name, saved):
    expected, arrays = MODELS[name], arrays_of(saved / f"models/{name}.npz")
    found = keras.models.load_model(saved / f"models/{name}.keras")
    assert type(found).__name__ == expected["class"]
    assert found.compiled == expected["compiled"]
    assert len(found.variables) == expected["variables"]
    rounding = 2e-2 if "bfloat16" in name else 1e-6
    if "y" in arrays:
        same(found(arrays["x"], training=False), arrays["y"], rounding)
    if masks := part(arrays, "mask:"):
        equal(kprune.get_masks(found), masks)
        report = kprune.report(found, multiply_adds=False, paths=False)
        assert report.sparsity == expected["sparsity"]
        assert [row.name for row in report.rows] == expected["weights"]
    if name.startswith((*SOFT, *SELECTED)):
        share = kprune.learned.sparsity(found)
        assert share == pytest.approx(expected["sparsity"], abs=1e-12)
    for key, value in part(arrays, "effective:").items():
        if name.startswith(SOFT):
            same(kprune.learned.effective_weights(found)[key], value, 1e-7)
        else:
            assert not value[~kprune.learned.selected_masks(found)[key]].any()
    if expected["loss_of_a_step"] is not None:
        y = building.labels(len(arrays["x"]), 7)
        found.run_eagerly = True  # To trace the step takes longer.
        logs = found.train_on_batch(arrays["x"], y, return_dict=True)
        same(logs["loss"], expected["loss_of_a_step"], rounding)
        # Adam divides the rounding of small gradients by their size.
        rounding = max(rounding, 3e-5)
        same(found(arrays["x"]), arrays["y_after_a_step"], rounding)


def test_masks_load(saved):
    plain = arrays_of(saved / "values/masks_plain.npz")
    equal(kprune.masks.load(saved / "values/masks.npz"), plain)


def test_centroids_load_and_apply(saved):
    arrays = arrays_of(saved / "values/centroids_plain.npz")
    found = kprune.kept_weights.Centroids.load(saved / "values/centroids.npz")
    equal(found.masks, part(arrays, "mask:"))
    equal(found.signs, part(arrays, "sign:"))
    expected = EXPECTED["values"]["centroids"]["values"]
    assert {k: list(v) for k, v in found.values.items()} == expected
    applied = kprune.wrap(building.sequential())
    found.apply(applied)
    same(applied(arrays["x"]), arrays["y"])


def test_a_stack_of_supermasks_loads(saved):
    arrays = arrays_of(saved / "values/stack_plain.npz")
    expected = EXPECTED["values"]["stack"]
    found = kprune.learned.SupermaskStack.load(saved / "values/stack")
    assert found.tasks == expected["tasks"]
    for task in found.tasks:
        same(found.predict(arrays["x"], task), arrays[f"y:{task}"])
        equal(found.masks(task), part(arrays, f"mask:{task}:"))


@pytest.mark.parametrize("name", EXPECTED["trainings"])
def test_a_killed_training_goes_on(name, saved):
    trained, history = building.train(name, saved / f"trainings/{name}")
    arrays = arrays_of(saved / f"trainings/{name}.npz")
    for key, variables in (
        ("variables", trained.variables),
        ("optimizer", trained.optimizer.variables),
    ):
        flat = [np.ravel(np.asarray(v)).astype("float64") for v in variables]
        same(np.concatenate(flat), arrays[key])
    same_history(history, EXPECTED["trainings"][name]["history"])


@pytest.mark.parametrize(
    "directory",
    [
        *(f"{name}_finished" for name in building.SEARCHES),
        "imp_killed",
        pytest.param("prac_killed", marks=SLOW),
    ],
)
def test_a_search_goes_on(directory, saved, monkeypatch):
    path, name = saved / "searches" / directory, directory.rpartition("_")[0]
    if directory.endswith("finished"):  # Nothing is trained again.
        monkeypatch.setattr(training_segment, "fit", pytest.fail)
    expected = EXPECTED["searches"][name]
    tickets = list(building.SEARCHES[name](path))
    assert [ticket.sparsity for ticket in tickets] == expected["sparsity"]
    for ticket, history in zip(tickets, expected["history"], strict=True):
        same_history(ticket.history, history)
    done = sorted(path.glob("level-*/DONE"))
    found = [json.loads(file.read_text())["digests"] for file in done]
    if directory.endswith("finished"):
        assert found == expected["digests"]
    else:  # The first level is finished, and the rest is computed anew.
        assert found[0] == expected["digests"][0]
        assert [one["masks"] for one in found] == [
            one["masks"] for one in expected["digests"]
        ]


def config_of(path):
    return json.loads((path / "config.json").read_text())["config"]


@pytest.mark.parametrize(
    "method",
    ["snip", *(pytest.param(name, marks=SLOW) for name in ("rigl", "gmp"))],
)
def test_a_killed_run_goes_on(method, saved):
    path, whole = (
        saved / f"runs/{method}_killed",
        saved / f"runs/{method}_whole",
    )
    config = config_of(path)
    assert kprune.experiment.status(path, config) == "resumable"
    config["artifacts"] = False
    run = kprune.experiment.build(config, verbose=0, resumes=True)
    kprune.experiment.train(run, path, verbose=0)
    expected = keras.models.load_model(whole / "model.keras", compile=False)
    stripped = kprune.strip(run.model).get_weights()
    for found, value in zip(stripped, expected.get_weights(), strict=True):
        same(found, value)
    masks = kprune.masks.load(whole / "masks.npz")
    equal(kprune.masks.load(path / "masks.npz"), masks)
    lines = (path / "metrics.jsonl").read_text().splitlines()
    metrics = EXPECTED["runs"][f"{method}_whole"]["metrics"]
    for line, value in zip(lines, metrics, strict=True):
        found = {**json.loads(line), "seconds": value["seconds"]}
        assert found == pytest.approx(value, rel=1e-5, abs=1e-6)


def test_runs_and_a_sweep_are_finished_and_reported(saved, capsys):
    runs = saved / "runs"
    finished = {file.parent for file in runs.glob("**/config.json")}
    finished -= {runs / f"{name}_killed" for name in ("snip", "rigl", "gmp")}
    assert len(finished) == 10
    for path in finished:
        result = json.loads((path / "DONE").read_text())
        assert kprune.experiment.run(config_of(path), path) == result
    sweep = (
        "sweep --config=quickstart --config.model.name=fc --methods=dense,snip "
        "--config.model.widths=(8,) --sparsities=0.5 --seeds=0 "
        "--config.training.epochs=1 --config.training.steps_per_epoch=2"
    )
    for command, folder in (
        (sweep, "sweep"),
        ("report", "sweep"),
        ("report", "find_ticket"),
    ):
        arguments = [*command.split(), f"--runs={runs / folder}"]
        kprune_command.main(["kprune", *arguments])
    printed = capsys.readouterr().out
    assert "2 cells: 2 finished." in printed
    assert EXPECTED["runs"]["sweep_report"] in printed
    # What fewer runs than a verdict needs are called has changed since.
    before, now = "too few for a verdict", "undecided, with fewer than 3 runs"
    expected = EXPECTED["runs"]["find_ticket_report"].replace(before, now)
    assert now in expected and expected in printed
