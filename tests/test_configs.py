"""Every config: it fits the schema, its paper's data hold, and it runs."""

import importlib.util
import json
import pathlib

import pytest

import kprune
from kprune import experiment
from kprune.training import learning_rates

ROOT = pathlib.Path(__file__).parents[1] / "configs"
PATHS = sorted(ROOT.rglob("*.py"))
EACH = pytest.mark.parametrize(
    "path", PATHS, ids=lambda path: str(path.relative_to(ROOT))
)
ROW = {"method", "label", "options", "sparsity", "mean", "std", "n"}


def module(path):
    spec = importlib.util.spec_from_file_location("config", path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def load(path, arg=""):
    return experiment.complete(module(path).get_config(arg))


def settings(config):
    """Returns all of a config as text, but for what does not change a run."""
    return json.dumps({**config.to_dict(), "paper": {}})


def unlike(arg, part):
    """Returns the first of the configs that are alike in a part."""
    found = {}
    for path in PATHS:
        found.setdefault(part(load(path, arg)), path)
    return [
        pytest.param(path, id=str(path.relative_to(ROOT)))
        for path in found.values()
    ]


def network(config):
    return json.dumps([config.model.to_dict(), config.dataset.name])


def with_options(config, row):
    """Returns a config with a row's method and settings, complete."""
    config = config.copy_and_resolve_references().unlock()
    config.pruner.method = row["method"]
    for key, value in row.get("options", {}).items():
        section, name = key.split(".")
        config[section][name] = value
    return experiment.complete(config)


def check_options(pruner):
    """Raises unless there is the method, and it takes the options."""
    options = pruner.options.to_dict()
    if pruner.method in kprune.recipes.DYNAMIC:
        kprune.callbacks.DynamicSparseTraining(pruner.method, **options)
    else:
        kprune.recipes.gradual(pruner.method, **options)


@EACH
def test_it_names_what_there_is(path):
    config = load(path)
    info = kprune.datasets.info(config.dataset.name)
    assert config.dataset.normalization in info.normalizations
    assert config.model.name in kprune.models.names()
    check_options(config.pruner)
    steps = info.train_size // config.dataset.batch_size
    training = config.training
    rate = learning_rates.get(
        training.schedule.to_dict(),
        training.learning_rate,
        steps,
        steps * training.epochs,
    )
    # The training is long enough for all that the rate is to do.
    if training.schedule.name != "constant":
        last = float(rate(steps * training.epochs - 1))
        assert last < 0.1001 * training.learning_rate


@EACH
def test_its_docstring_runs_this_file(path):
    lines = module(path).__doc__.split()
    commands = [word for word in lines if word.startswith("--config=")]
    assert commands
    files = {command.split(":")[0] for command in commands}
    assert files == {f"--config=configs/{path.relative_to(ROOT)}"}
    for command in commands:
        _, *argument = command.split(":")
        module(path).get_config(*argument)


@EACH
def test_it_refuses_another_argument(path):
    with pytest.raises(ValueError, match=r"Expected :quick.*nothing"):
        module(path).get_config("quik")


@EACH
def test_the_sweep_reaches_every_number_of_the_paper(path):
    config = load(path)
    paper = config.paper.to_dict()
    if path.stem == "quickstart":
        assert not paper
        return
    sweep, rows = paper.get("sweep"), paper.get("results", [])
    if rows or not sweep:
        assert paper["source"].startswith("https://")
    if not sweep:  # A binary of its own runs it.
        assert not rows
        return
    labels = {row.get("label", row["method"]) for row in rows}
    known = set(experiment.methods())
    assert set(sweep["methods"]) <= known | labels
    assert all(0 < sparsity < 1 for sparsity in sweep["sparsities"])
    for row in rows:
        assert set(row) <= ROW
        assert row["method"] in known
        assert row.get("label", row["method"]) in sweep["methods"]
        if "sparsity" not in row:
            assert row["options"]
            continue
        dense = row["method"] == "dense"
        assert row["sparsity"] in ([0.0] if dense else sweep["sparsities"])
        assert 0 <= row["mean"] <= 100
        assert 0 <= row.get("std", 0) < 15


@EACH
def test_every_method_of_the_sweep_takes_its_settings(path):
    config = load(path)
    paper = config.paper.to_dict()
    rows = {
        row.get("label", row["method"]): row
        for row in paper.get("results", [])
        if "options" in row
    }
    for name in paper.get("sweep", {}).get("methods", []):
        if name == "dense":
            continue
        chosen = with_options(config, rows.get(name, {"method": name})).pruner
        check_options(chosen)


@pytest.mark.parametrize("path", unlike("", network))
def test_its_network_fits_its_data(path):
    config = load(path)
    info = kprune.datasets.info(config.dataset.name)
    options = {k: v for k, v in config.model.to_dict().items() if v is not None}
    model = kprune.models.get(
        classes=info.classes, input_shape=info.input_shape, **options
    )
    assert model.output_shape == (None, info.classes)


@pytest.mark.slow  # A minute and a half; CI runs it.
@pytest.mark.parametrize("path", unlike("quick", settings))
def test_its_quick_variant_runs(path, tmp_path):
    config = load(path, "quick")
    assert config.dataset.name == "digits"
    assert config.training.epochs * config.training.steps_per_epoch == 2
    config.artifacts = False
    result = experiment.run(config, tmp_path / "run", verbose=0)
    # Of channels and neurons, the share of the weights is another.
    of_channels = config.pruner.granularity == "channel"
    neurons = "ossum" in config.pruner.method
    structured = of_channels or "structured" in config.pruner.options
    if not structured and not neurons:
        expected = config.pruner.sparsity
        if config.pruner.method == "asni":
            # 98 % / (1 + exp(-0.5 / 5)), after the only epoch.
            expected = 0.514480
        assert result["sparsity"] == pytest.approx(expected, abs=1e-5)
    assert 0 <= result["test_accuracy"] <= 1
