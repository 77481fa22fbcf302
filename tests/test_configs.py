"""Every row of every config: it fits the schema, and it runs."""

import functools
import importlib.util
import json
import math
import pathlib

import pytest

import kprune
from kprune import experiment
from kprune.runtime import methods
from kprune.training import learning_rates

ROOT = pathlib.Path(__file__).parents[1] / "configs"
RESULT = {"method", "label", "options", "sparsity", "mean", "std", "n"}


def module(path):
    spec = importlib.util.spec_from_file_location("config", path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


FILES = {path.stem: module(path) for path in sorted(ROOT.glob("*.py"))}
NAMES = [f"{file}:{row}" for file in FILES for row in FILES[file].ROWS]
EACH = pytest.mark.parametrize("name", NAMES)
EACH_FILE = pytest.mark.parametrize("file", FILES)


@functools.cache
def load(name, form=""):
    file, row = name.split(":")
    return experiment.complete(FILES[file].get_config(f"{row}{form}"))


def settings(config):
    """Returns all of a config as text, but for what does not change a run."""
    return json.dumps({**config.to_dict(), "paper": {}})


def network(config):
    """Returns a config's data and network as text, but for the weights."""
    given = {**config.model.to_dict(), "initializer": "zeros"}
    return json.dumps([given, config.dataset.name])


def unlike(form, part):
    """Returns the first of the configs that are alike in a part."""
    found = {}
    for name in NAMES:
        found.setdefault(part(load(name, form)), name)
    return pytest.mark.parametrize("name", found.values())


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
    if pruner.method in methods.methods("DynamicSparseTraining"):
        kprune.callbacks.DynamicSparseTraining(pruner.method, **options)
    else:
        kprune.recipes.gradual(pruner.method, **options)


@EACH
def test_it_names_what_there_is(name):
    config = load(name)
    info = kprune.datasets.info(config.dataset.name)
    assert config.dataset.normalization in info.normalizations
    assert config.model.name in kprune.models.names()
    kprune.models.initializers.get(config.model.get("initializer", "torch"))
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


@EACH_FILE
def test_its_docstring_runs_this_file(file):
    words = FILES[file].__doc__.split()
    commands = [word for word in words if word.startswith("--config=")]
    assert commands
    assert "tools/train.py" in words or "tools/sweep.py" in words
    for command in commands:
        path, *argument = command.split(":")
        assert path == f"--config=configs/{file}.py"
        FILES[file].get_config(*argument)


@EACH_FILE
def test_the_readme_and_the_files_name_the_same(file):
    assert f"| `{file}.py` |" in (ROOT / "README.md").read_text()
    with pytest.raises(ValueError, match=r"Unknown row .*'quik'") as error:
        FILES[file].get_config("quik")
    assert all(row in str(error.value) for row in FILES[file].ROWS)


@EACH
def test_the_sweep_reaches_every_number_of_the_paper(name):
    config = load(name)
    paper = config.paper.to_dict()
    if name.startswith("quickstart"):
        assert not paper
        return
    sweep, results = paper.get("sweep"), paper.get("results", [])
    if results or not sweep:
        assert paper["source"].startswith("https://")
    if not sweep:  # A binary of its own runs it.
        assert not results
        return
    by_options = sorted(results, key=lambda row: "options" in row)
    labels = {row.get("label", row["method"]): row for row in by_options}
    known = set(experiment.methods())
    assert set(sweep["methods"]) <= known | set(labels)
    assert all(0 < sparsity < 1 for sparsity in sweep["sparsities"])
    for row in results:
        assert set(row) <= RESULT
        assert row["method"] in known
        assert row.get("label", row["method"]) in sweep["methods"]
        if "sparsity" not in row:
            assert row["options"]
            continue
        dense = row["method"] == "dense"
        assert row["sparsity"] in ([0.0] if dense else sweep["sparsities"])
        assert 0 <= row["mean"] <= 100
        assert 0 <= row.get("std", 0) < 15
    for method in set(sweep["methods"]) - {"dense"}:
        row = labels.get(method, {"method": method})
        check_options(with_options(config, row).pruner)


@unlike("", network)
def test_its_network_fits_its_data(name):
    config = load(name)
    info = kprune.datasets.info(config.dataset.name)
    options = {k: v for k, v in config.model.to_dict().items() if v is not None}
    options["initializer"] = "zeros"  # Six times as fast for the largest.
    model = kprune.models.get(
        classes=info.classes, input_shape=info.input_shape, **options
    )
    assert model.output_shape == (None, info.classes)


ASNI = {  # By how many parameters the formula misses the printed ones.
    "mnist_fc": -5,
    "mnist_conv2": 1,
    "mnist_conv4": -1,
    "mnist_conv6": 0,
    "cifar10_conv2": -1,
    "cifar10_conv4": -2,
    "cifar10_conv6": -2,
    "cifar10_vgg11": 845,
    "cifar10_vgg13": 2_088,
    "cifar10_vgg16": -2_400,
    "cifar10_resnet18": -1_236,
    "imagenet_resnet50": -745,
    "imagenet_resnet50_more": 57_485,
}


@pytest.mark.parametrize("row", FILES["asni"].ROWS)
def test_asni_counts_parameters_as_the_paper_does(row):
    config = load(f"asni:{row}")
    info = kprune.datasets.info(config.dataset.name)
    options = {k: v for k, v in config.model.to_dict().items() if v is not None}
    options["initializer"] = "zeros"
    model = kprune.models.get(
        classes=info.classes, input_shape=info.input_shape, **options
    )
    sizes = [(v.name, math.prod(v.shape)) for v in model.trainable_variables]
    total = sum(size for _, size in sizes)
    assert total == config.paper.parameters
    kernels = sum(size for name, size in sizes if name == "kernel")
    epochs, pruner = config.training.epochs, config.pruner.options
    off = {}
    for epoch in range(1, epochs + 1):
        sparsity = kprune.schedules.asni(
            epoch, epochs, pruner.alpha, pruner.beta, pruner.gamma
        )
        removed = kernels - kprune.masks.count_kept(kernels, sparsity)
        off[epoch] = total - removed - config.paper.nonzeros
    # No other epoch comes nearer.
    last = pruner.get("last_prune_epoch", epochs - 2)
    assert last == min(off, key=lambda epoch: abs(off[epoch]))
    assert off[last] == ASNI[row]
    # The file and the docs say so.
    text = FILES["asni"].__doc__
    assert abs(off[last]) <= 5 or f"{abs(off[last]):,}" in text


@EACH
def test_its_quick_form_is_quick(name):
    config = load(name, ",quick")
    assert config.dataset.name == "digits"
    assert config.training.epochs * config.training.steps_per_epoch == 2
    check_options(config.pruner)


@pytest.mark.slow  # Two minutes and a half; CI runs it.
@unlike(",quick", settings)
def test_its_quick_form_runs(name, tmp_path):
    config = load(name, ",quick").copy_and_resolve_references()
    config.artifacts = False
    result = experiment.run(config, tmp_path / "run", verbose=0)
    # Of channels and neurons, the share of the weights is another.
    pruner = config.pruner
    of_channels = pruner.granularity == "channel"
    neurons = "ossum" in pruner.method
    free = pruner.method == "dns"  # The sparsity is an outcome.
    others = of_channels or "structured" in pruner.options or neurons or free
    if not others:
        expected = pruner.sparsity
        if pruner.method == "asni":  # After the only epoch.
            options = pruner.options
            decay = math.exp(-options.beta / options.gamma)
            expected = options.alpha / 100 / (1 + decay)
        assert result["sparsity"] == pytest.approx(expected, abs=1e-5)
    assert 0 <= result["test_accuracy"] <= 1
