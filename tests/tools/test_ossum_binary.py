"""The binary `tools/ossum.py`, and what its parts compute."""

import json
import pathlib

import keras
import numpy as np
import pytest

import kprune

pytest.importorskip("matplotlib")


@pytest.fixture
def parts(monkeypatch):
    """Returns the modules of the experiments."""
    tools = pathlib.Path(__file__).parents[2] / "tools"
    monkeypatch.syspath_prepend(tools)
    from neurons import curves, networks, search, tables

    return {
        "curves": curves,
        "networks": networks,
        "search": search,
        "tables": tables,
    }


def data():
    return kprune.datasets.load_arrays("digits")


def net(*widths, seed=0):
    return kprune.models.fc(
        widths, input_shape=(8, 8, 1), initializer="torch", seed=seed
    )


def config(name, runs, *more):
    path = f"--config=configs/ossum.py:{name},quick"
    return "ossum", path, f"--runs={runs}", *more


def rows(text):
    return [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in text.splitlines()
        if line.startswith("| ") and "---" not in line
    ]


def test_a_table_and_a_plot_and_nothing_twice(binary, tmp_path, capsys):
    binary(*config("two_layers_mnist", tmp_path))
    out = capsys.readouterr().out
    head, *lines = rows(out)
    assert head == ["neurons kept", "5", "25", "50", "best"]
    assert [line[0] for line in lines] == [
        "OSSuM",
        "Linear OSSuM",
        "Log OSSuM",
        "norm",
        "random",
        "coreset",
        "gradient supermask",
    ]
    assert len({line[3] for line in lines}) == 1  # All neurons: one network.
    assert rows((tmp_path / "quick.md").read_text()) == [head, *lines]
    from matplotlib import image

    assert image.imread(tmp_path / "quick.png").std() > 0
    path = tmp_path / "quick-fc50-seed1.json"
    before = path.stat().st_mtime_ns
    binary(*config("two_layers_mnist", tmp_path))
    assert path.stat().st_mtime_ns == before
    assert rows(capsys.readouterr().out) == [head, *lines]
    with pytest.raises(SystemExit) as error:
        binary(
            *config("two_layers_mnist", tmp_path),
            "--config.paper.experiment.supermask.epochs=2",
        )
    assert "computed with other settings" in error.value.code


@pytest.mark.parametrize(
    "name, best",
    [
        ("deep_mnist", 7),
        pytest.param("then_trained_mnist", 12, marks=pytest.mark.slow),
        pytest.param("after_training_mnist_fc1000", 12, marks=pytest.mark.slow),
    ],
)
def test_the_others_run(binary, tmp_path, capsys, name, best):
    binary(*config(name, tmp_path, "--seeds=3"))
    found = rows(capsys.readouterr().out)
    lines = [row for row in found if row[0] != "neurons kept"]
    assert len(lines) == best
    assert all(0 <= float(x) <= 100 for row in lines for x in row[1:-1])
    assert all("seed3" in p.name for p in tmp_path.glob("*.json"))


def test_variants_are_networks_of_their_own(binary, tmp_path, capsys):
    arguments = config("activations", tmp_path)
    binary(*arguments, "--variants=relu,tanh")
    assert "**sigmoid**" not in capsys.readouterr().out
    stored = [
        json.loads((tmp_path / f"quick_ablations-{v}-seed0.json").read_text())
        for v in ("relu", "tanh")
    ]
    assert [s["settings"]["model"]["activation"] for s in stored] == [
        "relu",
        "tanh",
    ]
    assert stored[0]["result"]["series"] != stored[1]["result"]["series"]
    with pytest.raises(SystemExit) as error:
        binary(*arguments, "--variants=rely")
    assert "Did you mean 'relu'" in error.value.code


def test_a_config_without_an_experiment(binary, tmp_path):
    with pytest.raises(SystemExit) as error:
        binary("ossum", "--config=configs/quickstart.py", f"--runs={tmp_path}")
    assert "paper.experiment" in error.value.code


def test_curves_are_those_of_pruned_networks(parts):
    model, (train, test) = net(40), data()
    methods = ["ossum", "linear_ossum", "log_ossum", "neuron_norm"]
    kept = [4, 10, 40]
    found = parts["curves"].curves(
        model, {"kept": kept, "methods": methods}, 0, (train, test)
    )
    for method in methods:
        for place, width in enumerate(kept):
            pruned = kprune.prune(
                model,
                method,
                1 - width / 40,
                data=train,
                loss=parts["networks"].LOSS,
            )
            expected = parts["networks"].accuracy(pruned, test)
            # Equal sums of logarithms may round apart in another order.
            assert abs(found[method][place] - expected) < 0.3, (method, width)


def test_the_supermask_curve_is_that_of_the_supermask(parts):
    model, (train, test) = net(20), data()
    options = {"epochs": 1}
    found = parts["curves"].curves(
        model,
        {"kept": [5], "methods": ["supermask"], "supermask": options},
        3,
        (train, test),
    )
    pruned = kprune.learned.neuron_supermask(
        model, train, parts["networks"].LOSS, sparsity=0.75, seed=3, epochs=1
    )
    expected = parts["networks"].accuracy(pruned, test)
    assert found["supermask"] == pytest.approx([expected], abs=0.3)


@pytest.mark.parametrize(
    "method", ["ossum_norm", "neuron_random", "coreset", "pab"]
)
def test_a_pruned_network_is_small_and_computes_the_same(parts, method):
    model, (train, test) = net(20, 20), data()
    small = parts["networks"].pruned(model, method, 5, train, seed=2)
    assert [layer.units for layer in small.layers[2:]] == [5, 5, 10]
    if method == "pab":
        return
    loss = parts["networks"].LOSS
    if method == "coreset":
        masked = kprune.kept_weights.coreset(model, 0.75, train, seed=2)
    else:
        pruner = kprune.recipes.get(method)
        objective = kprune.Objective(model, train, loss, seed=2)
        masked = kprune.wrap(model)
        kprune.set_masks(masked, pruner.masks(objective, 0.75))
    np.testing.assert_allclose(small(test[0]), masked(test[0]), atol=1e-5)


def test_the_search_tests_the_one_it_chose(parts):
    model, (train, test) = net(20, 20), data()
    experiment = {
        "methods": ["linear_ossum_norm", "pab"],
        "widths": [4, 12],
        "validation": 300,
        "examples": 200,
    }
    found = parts["search"].search(model, experiment, 0, (train, test))
    for method in experiment["methods"]:
        points, best = found["points"][method], found["best"][method]
        assert len(points) == 4
        assert best["validation"] == max(accuracy for _, accuracy in points)
        place = [accuracy for _, accuracy in points].index(best["validation"])
        grid = [(4, 4), (4, 12), (12, 4), (12, 12)]
        assert tuple(best["widths"]) == grid[place]
        chosen = parts["search"]._pruned(
            model, method, best["widths"], (train[0][:200], train[1][:200]), 0
        )
        assert best["test"] == parts["networks"].accuracy(chosen, test)
        # 64 a + a b + 10 b weights and a + b + 10 biases of 1,930 in all.
        a, b = best["widths"]
        left = 64 * a + a * b + 10 * b + a + b + 10
        assert best["removed"] == pytest.approx(100 * (1 - left / 1930))


def test_training_lowers_the_loss_by_phases(parts):
    model, (train, test) = net(30), data()
    before = parts["networks"].accuracy(model, test)
    parts["networks"].train(
        model, train, [["sgd", 0.1, 2], ["sgd", 0.01, 1], ["adam", 1e-3, 1]], 0
    )
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert parts["networks"].accuracy(model, test) > max(80, before)


def test_the_table(parts):
    series = {
        "ossum": np.array([[10.0, 30.0], [20.0, 50.0]]),
        "coreset": np.array([[60.0, 5.0], [60.0, 7.0]]),
    }
    assert rows(parts["tables"].table(series, [5, 1000])) == [
        ["neurons kept", "5", "1,000", "best"],
        ["OSSuM", "15.0 ± 7.1", "40.0 ± 14.1", "**40.0 ± 14.1**"],
        ["coreset", "60.0 ± 0.0", "6.0 ± 1.4", "**60.0 ± 0.0**"],
    ]
