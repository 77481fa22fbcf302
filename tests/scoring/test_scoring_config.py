"""Each field of a scoring changes what it says and nothing else."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import CE, examples, sequential

import kprune
from kprune.scoring import config
from kprune.scoring.config import ScoringConfig


def dense(policy="float32"):
    init = keras.initializers.HeNormal(seed=2)
    shared = {"dtype": policy, "kernel_initializer": init}
    hidden = keras.layers.Dense(32, activation="relu", **shared, name="fc1")
    return sequential(
        (20,), hidden, keras.layers.Dense(10, **shared, name="fc2")
    )


DATA = X, Y = examples(64, 20, classes=10)


def score(model, method="snip", data=DATA, loss=CE, **scoring):
    given = {"data": data, "loss": loss, "scoring": scoring}
    return kprune.score(model, method, **given)


def test_the_fields_of_the_call_stand_over_those_of_the_method():
    pruner = kprune.Pruner("snip", scoring={"batches": 2, "batch_size": 8})
    one = score(dense(), pruner)["fc1/kernel"]
    two = score(dense(), data=(X[:16], Y[:16]))["fc1/kernel"]
    np.testing.assert_allclose(one, two, atol=1e-6)
    over = score(dense(), pruner, batches=1)["fc1/kernel"]
    first = score(dense(), data=(X[:8], Y[:8]))["fc1/kernel"]
    np.testing.assert_array_equal(over, first)


def test_a_method_has_a_config_of_its_own_under_that_of_the_call():
    base = ScoringConfig(objective="neg_logit", batch_norm="eval")
    merged = ScoringConfig(batches=3).merge(base)
    both = {"objective": "neg_logit", "batch_norm": "eval"}
    assert merged == ScoringConfig(batches=3, **both)
    pruner = kprune.Pruner("snip", scoring={"objective": "neg_logit"})
    # Even where the call says a default: a dict says all that it holds.
    own = config.get({"objective": "loss"}, pruner.scoring)
    assert own == config.get(None) == ScoringConfig()
    one = score(dense(), pruner)
    two = score(dense(), objective="neg_logit")
    np.testing.assert_array_equal(one["fc1/kernel"], two["fc1/kernel"])


@pytest.mark.parametrize("one_hot", [False, True])
def test_neg_logit_by_hand(one_hot):
    layer = keras.layers.Dense(2, use_bias=False, name="w")
    model = sequential((2,), layer, values=[[[1.0, 2.0], [3.0, -4.0]]])
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    y = np.eye(2)[[0, 1]] if one_hot else np.array([0, 1])
    kind = keras.losses.CategoricalCrossentropy if one_hot else type(CE)
    given = {"loss": kind(from_logits=True), "objective": "neg_logit"}
    found = score(model, data=(x, y), **given)
    # -mean of z_0 of the first and z_1 of the second: the gradient is
    # -[[1, 3], [2, 4]] / 2, whatever the other logits are.
    np.testing.assert_allclose(found["w/kernel"], [[0.5, 3], [3, 8]])


def test_neg_logit_needs_logits():
    loss = keras.losses.SparseCategoricalCrossentropy()
    model = keras.Sequential([dense(), keras.layers.Softmax()])
    with pytest.raises(ValueError, match="from_logits=True"):
        score(model, loss=loss, objective="neg_logit")
    given = {"data": (X, np.eye(10)[Y]), "objective": "neg_logit"}
    with pytest.raises(ValueError, match="'neg_logit'"):
        score(dense(), loss="mse", **given)


def test_per_class_draws_the_same_number_of_each():
    model, (x, y) = dense(), examples(200, 20, classes=10)
    scoring = ScoringConfig(per_class=4)
    objective = kprune.Objective(model, (x, y), CE, scoring, seed=3)
    ((drawn, labels, *_),) = objective.batches
    assert np.bincount(labels).tolist() == [4] * 10
    assert len(np.unique(drawn, axis=0)) == 40
    halves = ScoringConfig(per_class=4, batch_size=20)
    objective = kprune.Objective(model, (x, y), CE, halves, seed=3)
    assert [len(batch[1]) for batch in objective.batches] == [20, 20]
    with pytest.raises(ValueError, match="`batches` cannot be given with it"):
        ScoringConfig(per_class=4, batches=1)


def test_float64_on_a_copy_is_what_a_float64_model_gives():
    model = dense()
    keras.config.set_floatx("float64")
    try:
        exact = dense("float64")
        exact.set_weights(model.get_weights())
        expected = score(exact, "grasp", loss=type(CE)(from_logits=True))
    finally:
        keras.config.set_floatx("float32")
    ours = score(model, "grasp", precision="float64")
    single = score(model, "grasp")
    for name in expected:
        assert ours[name].dtype == np.float64
        assert single[name].dtype == np.float32
        largest = np.abs(expected[name]).max()
        assert np.abs(ours[name] - expected[name]).max() < 1e-12 * largest
        assert np.abs(single[name] - expected[name]).max() > 1e-12 * largest
    assert model.layers[0].compute_dtype == "float32"
    assert keras.config.floatx() == "float32"


@functools.cache
def kept_of_90_percent(policy, method, precision):
    scoring = {} if precision is None else {"precision": precision}
    given = {"data": DATA, "loss": CE, "scoring": scoring}
    pruned = kprune.prune(dense(policy), method, 0.1, **given, verbose=0)
    return kprune.get_masks(pruned)


@pytest.mark.parametrize(
    "method, policy, least",
    [
        ("snip", "float32", 1.0),
        ("grasp", "mixed_float16", 0.95),
        ("grasp", "mixed_bfloat16", 0.90),
        ("prospr", "mixed_float16", 0.95),
        ("synflow", "mixed_float16", 0.95),
    ],
)
def test_half_precision_keeps_what_float32_keeps(method, policy, least):
    full = kept_of_90_percent("float32", method, None)
    half = kept_of_90_percent(policy, method, "policy")
    both = sum(int((full[n] & half[n]).sum()) for n in full)
    assert both >= least * 864  # 90 % of 20 * 32 + 32 * 10.


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_is_scored_in_float32_by_default(policy):
    model = dense(policy)
    expected, ours = score(dense()), score(model)
    rough = score(model, precision="policy")
    for name in expected:
        np.testing.assert_array_equal(ours[name], expected[name])
        assert (rough[name] != expected[name]).any()
        assert np.isfinite(rough[name]).all()
    assert model.layers[0].compute_dtype == policy.removeprefix("mixed_")


def test_what_a_config_cannot_be():
    for bad, message in (
        ({"reduce": "mean"}, "Did you mean 'mean_of_abs'"),
        ({"objective": "logit"}, "Did you mean 'neg_logit'"),
        ({"precision": "float16"}, "Expected one of: float32, float64"),
        ({"batches": 0}, "`batches`"),
        ({"batches": -1}, "`batches`"),
        ({"batch_size": 1.5}, "`batch_size`"),
        ({"per_class": 1.5}, "`per_class`"),
        ({"temperature": -1.0}, "temperature=-1.0"),
    ):
        with pytest.raises(ValueError, match=message):
            ScoringConfig(**bad)


def test_batches_of_a_data_set_are_read_as_they_are_needed():
    read = []

    def batches():
        for number in range(100):
            read.append(number)
            yield (X[:8], Y[:8])

    given = {"loss": CE, "rounds": 3, "verbose": 0}
    two = {"data": batches(), "scoring": {"batches": 2}}
    kprune.prune(dense(), "force", 0.5, **two, **given)
    assert len(read) == 6  # Two fresh ones in each of three rounds.
    endless = tf.data.Dataset.from_tensors((X[:8], Y[:8])).repeat()
    one = {"data": endless, "scoring": {"batches": 1}}
    pruned = kprune.prune(dense(), "iter_snip", 0.5, **one, **given)
    assert kprune.report(pruned).sparsity == 0.5
