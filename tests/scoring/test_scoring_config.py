"""Each field of a scoring changes what it says and nothing else."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kprune
from kprune.scoring import config
from kprune.scoring.config import ScoringConfig

CE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def dense(policy="float32", seed=2):
    init = keras.initializers.HeNormal
    return keras.Sequential(
        [
            keras.Input((20,)),
            keras.layers.Dense(
                32,
                activation="relu",
                dtype=policy,
                kernel_initializer=init(seed=seed),
                name="fc1",
            ),
            keras.layers.Dense(
                10, dtype=policy, kernel_initializer=init(seed=9), name="fc2"
            ),
        ]
    )


def data(count=64):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 20)).astype("float32")
    return x, rng.integers(0, 10, count)


def score(model, method="snip", loss=CE, **scoring):
    return kprune.score(
        model, method, data=data(), loss=loss, scoring=ScoringConfig(**scoring)
    )


def test_the_fields_of_the_call_stand_over_those_of_the_method():
    x, y = data()
    own = ScoringConfig(batches=2, batch_size=8)
    pruner = kprune.Pruner("snip", scoring=own)
    one = kprune.score(dense(), pruner, data=(x, y), loss=CE)
    two = kprune.score(dense(), "snip", data=(x[:16], y[:16]), loss=CE)
    np.testing.assert_allclose(one["fc1/kernel"], two["fc1/kernel"], atol=1e-6)
    over = kprune.score(
        dense(), pruner, data=(x, y), loss=CE, scoring={"batches": 1}
    )
    first = kprune.score(dense(), "snip", data=(x[:8], y[:8]), loss=CE)
    np.testing.assert_array_equal(over["fc1/kernel"], first["fc1/kernel"])


def test_a_method_has_a_config_of_its_own_under_that_of_the_call():
    base = ScoringConfig(objective="neg_logit", batch_norm="eval")
    merged = ScoringConfig(batches=3).merge(base)
    assert merged == ScoringConfig(
        batches=3, objective="neg_logit", batch_norm="eval"
    )
    pruner = kprune.Pruner("snip", scoring={"objective": "neg_logit"})
    # Even where the call says a default: a dict says all that it holds.
    own = config.get({"objective": "loss"}, pruner.scoring)
    assert own == config.get(None) == ScoringConfig()
    one = kprune.score(dense(), pruner, data=data(), loss=CE)
    two = score(dense(), objective="neg_logit")
    np.testing.assert_array_equal(one["fc1/kernel"], two["fc1/kernel"])


@pytest.mark.parametrize("one_hot", [False, True])
def test_neg_logit_by_hand(one_hot):
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(2, use_bias=False, name="w")]
    )
    model.layers[0].set_weights([np.array([[1.0, 2.0], [3.0, -4.0]])])
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    y = np.eye(2)[[0, 1]] if one_hot else np.array([0, 1])
    kind = keras.losses.CategoricalCrossentropy if one_hot else type(CE)
    found = kprune.score(
        model,
        "snip",
        data=(x, y),
        loss=kind(from_logits=True),
        scoring=ScoringConfig(objective="neg_logit"),
    )
    # -mean of z_0 of the first and z_1 of the second: the gradient is
    # -[[1, 3], [2, 4]] / 2, whatever the other logits are.
    np.testing.assert_allclose(found["w/kernel"], [[0.5, 3], [3, 8]])


def test_neg_logit_needs_logits():
    loss = keras.losses.SparseCategoricalCrossentropy()
    model = keras.Sequential([dense(), keras.layers.Softmax()])
    with pytest.raises(ValueError, match="from_logits=True"):
        score(model, loss=loss, objective="neg_logit")
    x, y = data()
    with pytest.raises(ValueError, match="'neg_logit'"):
        kprune.score(
            dense(),
            "snip",
            data=(x, np.eye(10)[y]),
            loss="mse",
            scoring=ScoringConfig(objective="neg_logit"),
        )


def test_per_class_draws_the_same_number_of_each():
    model, (x, y) = dense(), data(200)
    scoring = ScoringConfig(per_class=4)
    objective = kprune.Objective(model, (x, y), CE, scoring, seed=3)
    ((drawn, labels, *_),) = objective.batches
    assert np.bincount(labels).tolist() == [4] * 10
    assert len(np.unique(drawn, axis=0)) == 40
    sources = [np.flatnonzero((x == row).all(1))[0] for row in drawn]
    np.testing.assert_array_equal(y[sources], labels)
    halves = ScoringConfig(per_class=4, batch_size=20)
    objective = kprune.Objective(model, (x, y), CE, halves, seed=3)
    assert [len(batch[1]) for batch in objective.batches] == [20, 20]
    with pytest.raises(ValueError, match="`batches` cannot be given with it"):
        ScoringConfig(per_class=4, batches=1)


def test_float64_on_a_copy_is_what_a_float64_model_gives():
    keras.config.set_floatx("float64")
    try:
        exact = dense("float64")
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        expected = kprune.score(exact, "grasp", data=data(), loss=loss)
    finally:
        keras.config.set_floatx("float32")
    model = dense()
    exact.set_weights(model.get_weights())
    expected = kprune.score(exact, "grasp", data=data(), loss=loss)
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


@pytest.mark.parametrize("method", ["snip", "grasp", "prospr", "synflow"])
@pytest.mark.parametrize(
    "policy, precision, least",
    [
        ("mixed_float16", "policy", 0.95),
        ("mixed_bfloat16", "policy", 0.90),
        ("float32", "policy", 1.0),
        ("mixed_float16", "float32", 1.0),
        ("mixed_bfloat16", "float32", 1.0),
    ],
)
def test_half_precision_keeps_what_float32_keeps(
    policy, precision, least, method
):
    """The sets of 90 % kept, by the share that is in both."""

    def kept(policy, **scoring):
        pruned = kprune.prune(
            dense(policy),
            method,
            0.1,
            data=data(),
            loss=CE,
            scoring=ScoringConfig(**scoring),
            verbose=0,
        )
        return kprune.get_masks(pruned)

    full, half = kept("float32"), kept(policy, precision=precision)
    both = sum(int((full[n] & half[n]).sum()) for n in full)
    assert both >= least * 864  # 90 % of 20 * 32 + 32 * 10.
    scores = score(dense(policy), method, precision=precision)
    assert all(np.isfinite(s).all() for s in scores.values())


def test_half_precision_is_scored_in_float32_by_default():
    model = dense("mixed_float16")
    expected, ours = score(dense()), score(model)
    rough = score(model, precision="policy")
    for name in expected:
        np.testing.assert_array_equal(ours[name], expected[name])
        assert (rough[name] != expected[name]).any()
    assert model.layers[0].compute_dtype == "float16"


def test_what_a_config_cannot_be():
    for bad, message in (
        ({"reduce": "mean"}, "Did you mean 'mean_of_abs'"),
        ({"objective": "logit"}, "Did you mean 'neg_logit'"),
        ({"precision": "float16"}, "Expected one of: float32, float64"),
        ({"batches": 0}, "`batches`"),
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
            yield data(8)

    kprune.prune(
        dense(),
        "force",
        0.5,
        data=batches(),
        loss=CE,
        rounds=3,
        scoring={"batches": 2},
        verbose=0,
    )
    assert len(read) == 6  # Two fresh ones in each of three rounds.
    endless = tf.data.Dataset.from_tensors(data(8)).repeat()
    given = {"data": endless, "loss": CE, "scoring": {"batches": 1}}
    pruned = kprune.prune(dense(), "iter_snip", 0.5, rounds=3, **given)
    assert kprune.report(pruned).sparsity == 0.5
