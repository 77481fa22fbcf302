"""OSSuM's study, and what its parts compute."""

import json

import keras
import numpy as np
import pytest
from networks import CE

import kprune


@pytest.fixture(scope="module")
def digits():
    return kprune.datasets.load_arrays("digits")


def net(*widths, seed=0):
    return kprune.models.fc(
        widths, input_shape=(8, 8, 1), initializer="torch", seed=seed
    )


def config(row, runs, *more):
    return "ossum", f"--config=ossum:{row},quick", f"--runs={runs}", *more


def test_a_table_and_nothing_twice(study, refused, tmp_path, capsys, rows):
    study(*config("two_layers_mnist", tmp_path))
    out = capsys.readouterr().out
    head, *lines = rows(out)
    assert head == ["neurons kept", "5", "25", "50", "best"]
    methods = "OSSuM, Linear OSSuM, Log OSSuM, norm, random, coreset"
    assert [line[0] for line in lines] == [
        *methods.split(", "),
        "gradient supermask",
    ]
    assert len({line[3] for line in lines}) == 1  # All neurons: one network.
    assert rows((tmp_path / "quick.md").read_text()) == [head, *lines]
    path = tmp_path / "quick-fc50-seed1.json"
    before = path.stat().st_mtime_ns
    study(*config("two_layers_mnist", tmp_path))
    assert path.stat().st_mtime_ns == before
    assert rows(capsys.readouterr().out) == [head, *lines]
    other = "--config.paper.experiment.supermask.epochs=2"
    said = refused(*config("two_layers_mnist", tmp_path, other))
    assert "computed with other settings" in said


@pytest.mark.parametrize(
    "name, best",
    [
        ("deep_mnist", 7),
        pytest.param("then_trained_mnist", 12, marks=pytest.mark.slow),
        pytest.param("after_training_mnist_fc1000", 12, marks=pytest.mark.slow),
    ],
)
def test_the_others_run(study, tmp_path, capsys, rows, name, best):
    study(*config(name, tmp_path, "--seeds=3"))
    found = rows(capsys.readouterr().out)
    lines = [row for row in found if row[0] != "neurons kept"]
    assert len(lines) == best
    assert all(0 <= float(x) <= 100 for row in lines for x in row[1:-1])
    assert all("seed3" in p.name for p in tmp_path.glob("*.json"))


def test_variants_are_networks_of_their_own(study, refused, tmp_path, capsys):
    arguments = config("activations", tmp_path)
    study(*arguments, "--variants=relu,tanh")
    assert "**sigmoid**" not in capsys.readouterr().out
    stored = [
        json.loads((tmp_path / f"quick_ablations-{v}-seed0.json").read_text())
        for v in ("relu", "tanh")
    ]
    found = [record["settings"]["model"]["activation"] for record in stored]
    assert found == ["relu", "tanh"]
    assert stored[0]["result"]["series"] != stored[1]["result"]["series"]
    assert "Did you mean 'relu'" in refused(*arguments, "--variants=rely")


def test_a_config_without_an_experiment(refused, tmp_path):
    said = refused("ossum", "--config=quickstart", f"--runs={tmp_path}")
    assert "`paper.experiment` of the kind curves or untrained" in said


def test_curves_are_those_of_pruned_networks(part, digits):
    model, (train, test) = net(40), digits
    methods = ["ossum", "linear_ossum", "log_ossum", "neuron_norm"]
    kept = [4, 10]
    found = part("ossum.curves").curves(
        model, {"kept": kept, "methods": methods}, 0, (train, test)
    )
    for method in methods:
        for place, width in enumerate(kept):
            sparsity = 1 - width / 40
            pruned = kprune.prune(model, method, sparsity, data=train, loss=CE)
            expected = part("ossum.networks").accuracy(pruned, test)
            # Equal sums of logarithms may round apart in another order.
            assert abs(found[method][place] - expected) < 0.3, (method, width)


def test_the_supermask_curve_is_that_of_the_supermask(part, digits):
    model, (train, test) = net(20), digits
    options = {"kept": [5], "methods": ["supermask"]}
    options["supermask"] = {"epochs": 1}
    found = part("ossum.curves").curves(model, options, 3, digits)
    pruned = kprune.learned.neuron_supermask(
        model, train, CE, sparsity=0.75, seed=3, epochs=1
    )
    expected = part("ossum.networks").accuracy(pruned, test)
    assert found["supermask"] == pytest.approx([expected], abs=0.3)


@pytest.mark.parametrize(
    "method", ["ossum_norm", "neuron_random", "coreset", "pab"]
)
def test_a_pruned_network_is_small_and_computes_the_same(part, digits, method):
    model, (train, test) = net(20, 20), digits
    small = part("ossum.networks").pruned(model, method, 5, train, seed=2)
    assert [layer.units for layer in small.layers[2:]] == [5, 5, 10]
    if method == "pab":
        return
    loss = CE
    if method == "coreset":
        masked = kprune.kept_weights.coreset(model, 0.75, train, seed=2)
    else:
        pruner = kprune.recipes.get(method)
        objective = kprune.Objective(model, train, loss, seed=2)
        masked = kprune.wrap(model)
        kprune.set_masks(masked, pruner.masks(objective, 0.75))
    np.testing.assert_allclose(small(test[0]), masked(test[0]), atol=1e-5)


def test_the_search_tests_the_one_it_chose(part, digits):
    model, (train, test) = net(20, 20), digits
    experiment = {
        "methods": ["linear_ossum_norm", "pab"],
        "widths": [4, 12],
        "validation": 300,
        "examples": 200,
    }
    found = part("ossum.search").search(model, experiment, 0, (train, test))
    for method in experiment["methods"]:
        points, best = found["points"][method], found["best"][method]
        assert len(points) == 4
        assert best["validation"] == max(accuracy for _, accuracy in points)
        place = [accuracy for _, accuracy in points].index(best["validation"])
        grid = [(4, 4), (4, 12), (12, 4), (12, 12)]
        assert tuple(best["widths"]) == grid[place]
        chosen = part("ossum.search")._pruned(
            model, method, best["widths"], (train[0][:200], train[1][:200]), 0
        )
        assert best["test"] == part("ossum.networks").accuracy(chosen, test)
        # 64 a + a b + 10 b weights and a + b + 10 biases of 1,930 in all.
        a, b = best["widths"]
        left = 64 * a + a * b + 10 * b + a + b + 10
        assert best["removed"] == pytest.approx(100 * (1 - left / 1930))


def test_training_lowers_the_loss_by_phases(part, digits):
    model, (train, test) = net(30), digits
    before = part("ossum.networks").accuracy(model, test)
    part("ossum.networks").train(
        model, train, [["sgd", 0.1, 2], ["sgd", 0.01, 1], ["adam", 1e-3, 1]], 0
    )
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert part("ossum.networks").accuracy(model, test) > max(80, before)


def test_the_table(part, rows):
    results = [
        {"series": {"ossum": [10.0, 30.0], "coreset": [60.0, 5.0]}},
        {"series": {"ossum": [20.0, 50.0], "coreset": [60.0, 7.0]}},
    ]
    experiment = {"kept": [5, 1000], "variants": {"fc": {}}}
    assert rows(part("ossum.run").table(experiment, {"fc": results})) == [
        ["neurons kept", "5", "1,000", "best"],
        ["OSSuM", "15.0 ± 7.1", "40.0 ± 14.1", "**40.0 ± 14.1**"],
        ["coreset", "60.0 ± 0.0", "6.0 ± 1.4", "**60.0 ± 0.0**"],
    ]
