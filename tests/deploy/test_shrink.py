"""`shrink` as a whole: masks, compile state, files, the proof, the table."""

import keras
import numpy as np
import pytest
from building import channels, randomize, shrunk, zero_channels
from lifecycle import assert_same, unchanged
from networks import sequential

import kprune
from kprune.deploy.shrink import folding, plan, result

layers = keras.layers


def convolutional():
    model = sequential(
        (8, 8, 1),
        layers.Conv2D(8, 3, use_bias=False, padding="same", name="a"),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(name="relu"),
        layers.Conv2D(8, 3, padding="same", activation="relu", name="b"),
        layers.Flatten(name="flat"),
        layers.Dense(10, name="c"),
        name="convolutional",
    )
    return randomize(model)


def dense(activation=None, units=(6, 2), use_bias=True, **options):
    a, b = units
    first = layers.Dense(a, activation, use_bias=use_bias, name="a")
    last = layers.Dense(b, name="b")
    return randomize(sequential((4,), first, last, **options))


def pruned(model=None):
    model = model or convolutional()
    return kprune.prune(model, "random", 0.5, granularity="channel")


def test_a_pruned_model_shrinks_and_trains():
    model = pruned()
    model.compile("adam", "mse", metrics=["mae"], run_eagerly=True)
    small = shrunk(model)
    # Two layers of 8 keep 8 in all; some carry constants to a padded border.
    assert 8 <= sum(channels(small, "a", "b")) <= 9
    assert small.name == "convolutional"
    assert type(small) is keras.Sequential
    assert type(small.optimizer) is type(model.optimizer)
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype("float32")
    before = [np.array(v) for v in small.trainable_variables]
    small.train_on_batch(x, np.ones((4, 10)))
    for v, old in zip(small.trainable_variables, before, strict=True):
        assert (np.array(v) != old).any()


def test_the_model_that_came_in_stays():
    model = pruned()
    with unchanged(model):
        kprune.shrink(model, verbose=0)


def test_stored_values_under_a_mask_do_not_count():
    model = kprune.wrap(convolutional(), keep_pruned_values=True)
    mask = np.ones((3, 3, 1, 8), bool)
    mask[..., :3] = False
    kprune.set_masks(model, {"a/kernel": mask})
    assert channels(shrunk(model), "a") in (5, 6)


def test_nothing_to_remove_leaves_the_model_alike():
    model = convolutional()
    small = kprune.shrink(model, verbose=0)
    assert_same(small.variables, model.variables)


def test_a_wrong_fold_is_not_returned(monkeypatch):
    model = dense()
    zero_channels(model, "a", [0])
    monkeypatch.setattr(folding, "fold", lambda *_: folding.Fold())
    with pytest.raises(RuntimeError, match="does not compute the same"):
        kprune.shrink(model, verbose=0)


def test_nan_proves_nothing():
    model = convolutional()
    model.get_layer("c").bias.assign(np.full(10, np.nan))
    with pytest.raises(RuntimeError, match="differ by nan"):
        kprune.shrink(model, verbose=0)


def test_half_precision_is_proved_in_float64():
    keras.config.set_dtype_policy("mixed_float16")
    model = dense("tanh", units=(32, 8))
    zero_channels(model, "a", [0, 5])
    small = kprune.shrink(model, verbose=0)
    assert small.get_layer("a").compute_dtype == "float16"
    assert channels(small, "a") == 30


def two_layers():
    return pruned(dense("tanh", use_bias=False))


@pytest.mark.parametrize("carry", [True, False])
def test_training_goes_on_with_the_state_of_the_optimizer(carry):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 4)), rng.normal(size=(8, 2))
    model = two_layers()
    model.compile(keras.optimizers.Adam(0.1), "mse", run_eagerly=True)
    for _ in range(3):
        model.train_on_batch(x, y)
    small = kprune.shrink(model, carry_optimizer=carry, verbose=0)
    for one in (model, small):
        one.train_on_batch(x, y)
    # tanh(0) = 0 has no gradient: the masked model trains as the small one.
    assert small.get_layer("a").units == 3
    assert int(small.optimizer.iterations) == (4 if carry else 1)
    same = np.allclose(small(x), model(x), rtol=0, atol=1e-5)
    assert same == carry


def test_what_cannot_be_shrunk_is_refused():
    with pytest.raises(ValueError, match="is not built"):
        kprune.shrink(keras.Sequential([layers.Dense(2, name="a")]))
    model = two_layers()
    with pytest.raises(ValueError, match="is not compiled"):
        kprune.shrink(model, carry_optimizer=True, verbose=0)
    model.compile(keras.optimizers.SGD(use_ema=True), "mse")
    with pytest.raises(ValueError, match="use_ema"):
        kprune.shrink(model, carry_optimizer=True, verbose=0)


def test_the_plan_tells_what_becomes_of_the_model(capsys):
    model = dense(units=(3, 3), name="mlp")
    zero_channels(model, "a", [0])
    zero_channels(model, "b", [1, 2])
    kprune.shrink(model, verbose=1)
    # 4 * 3 + 3 + 3 * 3 + 3 and 4 * 2 + 2 + 2 * 3 + 3 parameters.
    assert capsys.readouterr().out == f"{plan(model)}\n"
    assert str(plan(model)).splitlines() == [
        'Model: "mlp"',
        "Layer  Before  After  Why the rest stays",
        "-" * 77,
        "a           3      2",
        "b           3      3  2 of constant value: the model's output keeps "
        "its shape",
        "-" * 77,
        "Parameters: 19 of 27 (0.7037).",
        "Multiply-adds per example: 14 of 21 (0.6667).",
    ]


def test_long_names_and_reasons_are_folded():
    row = result.Row("stage/" * 12 + "conv", 4, 3, "a reason " * 20)
    table = str(result.Plan("m", (row,), (2, 1), None))
    assert max(map(len, table.splitlines())) <= 100
    assert table.count("reason") == 20
    assert table.count("stage/") == 12
    assert table.endswith("Multiply-adds per example: n/a.")


@pytest.mark.parametrize("smaller", [kprune.shrink, kprune.compact])
def test_a_model_that_is_cut_off_is_refused(smaller):
    model = dense()
    model.get_layer("b").kernel.assign(np.zeros((6, 2)))
    with pytest.raises(ValueError, match="is cut off: an output of shape"):
        smaller(model, verbose=0)
