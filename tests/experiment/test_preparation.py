"""How each kind of method comes into a run."""

import keras
import numpy as np
import pytest
from test_runs import lines_of, tiny

import kprune
from kprune import experiment


def run(tmp_path, method, **changes):
    config = tiny(
        **{
            "pruner.method": method,
            "training.epochs": 4,
            "training.optimizer": "torch_sgd",
            "training.optimizer_options": {"momentum": 0.9},
            "training.learning_rate": 0.05,
            **changes,
        }
    )
    return experiment.run(config, tmp_path, verbose=0)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("gmp", {"every": "3it", "end": "8it"}),
        ("static", {}),
        ("rigl", {"every": "3it"}),
        ("set", {}),
        ("snfs", {}),
        ("dpf", {"every": "2it"}),
    ],
)
def test_methods_that_prune_while_training(tmp_path, method, options):
    result = run(tmp_path, method, **{"pruner.options": options})
    assert result["sparsity"] == 0.75
    masks = kprune.masks.load(tmp_path / "masks.npz")
    assert sum(int(mask.sum()) for mask in masks.values()) == 296
    lines = lines_of(tmp_path)
    assert "mask_churn" in lines[0]
    moved = sum(line["mask_churn"] for line in lines[:-1])
    assert (moved > 0) == (method != "static")


@pytest.mark.parametrize("initial", [None, 0.5])
def test_methods_that_bring_a_model_to_a_sparsity_begin_before_it(initial):
    options = {} if initial is None else {"initial_sparsity": initial}
    changes = {"pruner.method": "granet", "pruner.options": options}
    built = experiment.build(tiny(**changes))
    (callback,) = built.callbacks
    masks = kprune.get_masks(built.model).values()
    total, kept = (sum(f(m) for m in masks) for f in (np.size, np.sum))
    assert kept == round((1 - (initial or 0)) * total)
    now = kprune.callbacks.dynamic.TrainingState(
        0, 1.0, {}, {"all": np.ones(total, bool)}, updates_left=0
    )
    left = callback.updater.rise.last(now)
    assert left == round(0.25 * total)  # `tiny` says 0.75.


def test_what_configs_say_of_a_gradual_method_in_their_own_way():
    def pruner(**options):
        options = {"recover": True, **options}
        changes = {"pruner.method": "gmp", "pruner.options": options}
        (callback,) = experiment.build(tiny(**changes)).callbacks
        return callback.pruner

    found = pruner(initial_sparsity=0.5, power=1, live=False)
    # 0.75 + (0.5 - 0.75) (1 - p)^1
    assert [found.schedule(p, 0.75) for p in (0, 0.5, 1)] == [0.5, 0.625, 0.75]
    assert found.recover == "zeros"
    assert pruner(live=True).recover is True
    with pytest.raises(ValueError, match="`live`"):
        pruner(live=True, recover=False)


def test_asni_says_its_sparsity(tmp_path):
    options = {"alpha": 80.0, "beta": 0.5, "gamma": 1.0}
    result = run(tmp_path, "asni", **{"pruner.options": options})
    # 80 % / (1 + exp(-(2 - 2) / 1)) after the second of four epochs.
    assert result["sparsity"] == pytest.approx(0.4, abs=1e-3)
    config = {"pruner": {"method": "asni", "sparsity": 0.9}}
    assert experiment.complete(config).pruner.sparsity is None


@pytest.mark.parametrize("weights", ["original", "trained", "centroids"])
def test_a_ticket_has_the_masks_of_a_run(tmp_path, weights):
    first = tmp_path / "first"
    run(first, "magnitude", artifacts=True)
    options = {"run": str(first), "weights": weights}
    config = tiny(**{"pruner.method": "ticket", "pruner.options": options})
    model = experiment.build(config).model
    masks = kprune.masks.load(first / "masks.npz")
    for name, mask in kprune.get_masks(model).items():
        np.testing.assert_array_equal(mask, masks[name])
    kernel = kprune.strip(model).get_layer("fc1").kernel.numpy()
    mask = masks["fc1/kernel"]
    trained = keras.saving.load_model(first / "model.keras")
    trained = trained.get_layer("fc1").kernel.numpy()
    original = experiment.network(config).get_layer("fc1").kernel.numpy()
    expected = {"original": original * mask, "trained": trained}.get(weights)
    if weights == "centroids":
        above, below = trained > 0, trained < 0
        expected = above * trained[above].mean(dtype=float)
        expected += below * trained[below].mean(dtype=float)
    np.testing.assert_allclose(kernel, expected, rtol=1e-5)


def test_a_ticket_needs_a_finished_run(tmp_path):
    def build(**options):
        changes = {"pruner.method": "ticket", "pruner.options": options}
        experiment.build(tiny(**changes))

    with pytest.raises(ValueError, match="does not hold a finished run"):
        build(run=str(tmp_path))
    run(tmp_path, "magnitude")
    with pytest.raises(ValueError, match=r"has no model\.keras"):
        build(run=str(tmp_path), weights="trained")
    with pytest.raises(ValueError, match="Did you mean 'original'"):
        build(run=str(tmp_path), weights="orignal")
    with pytest.raises(ValueError, match="Unknown option of the method 'tick"):
        build(run=str(tmp_path), wieghts="trained")
