"""Models with thresholds or gates: put on, trained, saved and hardened."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from interruption import Kill, assert_resumes
from keras import layers
from lifecycle import assert_same, normal, pruned_values, two_layers, values
from model_kinds import KINDS

import kprune
from kprune.masking import weights

# At a drop rate of 11/12 about half of the gates start closed.
PUT = {
    "soft_threshold": lambda m, **o: kprune.learned.soft_threshold(
        m, -2.0, **o
    ),
    "hard_concrete": lambda m, **o: kprune.learned.hard_concrete(
        m, 100, drop_rate=11 / 12, **o
    ),
}
both = pytest.mark.parametrize("put", PUT.values(), ids=PUT)
# Of two that take the same way, the one with more state.
gated = pytest.mark.parametrize(
    "put",
    [
        PUT["hard_concrete"],
        pytest.param(PUT["soft_threshold"], marks=pytest.mark.slow),
    ],
    ids=["hard_concrete", "soft_threshold"],
)
FAST = {("subclassed", "soft_threshold"), ("nested", "hard_concrete")}


def trained(put, **compiled):
    keras.utils.set_random_seed(1)
    model = put(two_layers())
    model.compile(**{"optimizer": "adam", "loss": "mse", **compiled})
    model.fit(normal(32, 4), normal(32, 2), batch_size=8, verbose=0)
    return model


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        pytest.param(k, h, marks=() if (k, h) in FAST else pytest.mark.slow)
        for k in KINDS
        for h in PUT
    ],
)
def test_kind_lives_through(kind, how, tmp_path):
    model, x, y = KINDS[kind]()
    before, names = values(model), [w.name for w in weights.find(model)]
    soft = PUT[how](model)
    soft.compile("sgd", "mse")
    soft.train_on_batch(x, y)
    assert_same(values(model), before)
    outputs, zeros = soft(x), kprune.learned.zeros(soft)
    assert sum(zeros.values()) > 0

    soft.save(tmp_path / "soft.keras")
    loaded = keras.models.load_model(tmp_path / "soft.keras")
    assert_same(loaded(x), outputs)
    assert kprune.learned.zeros(loaded) == zeros
    assert isinstance(loaded, type(model))

    for one in (soft, loaded):
        masked = kprune.learned.to_masked(one)
        assert_same(masked(x), outputs, tolerance=1e-6)
        masks = kprune.get_masks(masked)
        removed = {name: (~mask).sum() for name, mask in masks.items()}
        assert removed == zeros
        assert [w.name for w in weights.find(masked)] == names
        assert type(kprune.strip(masked)) is type(model)
    assert_same(soft(x), outputs)


@both
def test_a_hardened_model_trains_on_with_its_masks(put):
    soft = trained(put)
    masked = kprune.learned.to_masked(soft)
    zeros = sum(kprune.learned.zeros(soft).values())
    assert kprune.report(masked).sparsity == kprune.learned.sparsity(soft) > 0
    assert masked.optimizer.iterations == 0  # Compiled alike, and afresh.

    start = np.concatenate([np.ravel(v) for v in values(masked)])
    masked.fit(normal(32, 4), normal(32, 2), verbose=0)
    end = np.concatenate([np.ravel(v) for v in values(masked)])
    assert np.count_nonzero(end != start) > 0
    assert pruned_values(masked).size == zeros
    assert not pruned_values(masked).any()
    np.testing.assert_allclose(
        kprune.strip(masked)(normal(3, 4)), masked(normal(3, 4)), atol=1e-6
    )


@both
def test_excluded_weights_stay_dense(put):
    soft = put(two_layers(), exclude="b")
    assert list(kprune.learned.zeros(soft)) == ["a/kernel"]
    masked = kprune.learned.to_masked(soft)
    assert kprune.get_masks(masked)["b/kernel"].all()
    assert not kprune.get_masks(masked)["a/kernel"].all()


@gated
def test_a_stripped_or_exported_soft_model_computes_the_same(put, tmp_path):
    soft = trained(put)
    x = normal(3, 4)
    assert_same(kprune.strip(soft)(x), soft(x))
    kprune.export(soft, tmp_path / "saved")
    served = tf.saved_model.load(tmp_path / "saved")
    assert_same(served.serve(x), soft(x), tolerance=1e-6)


@pytest.mark.slow
def test_a_saved_model_loads_where_kprune_is_only_imported(tmp_path):
    soft = trained(PUT["hard_concrete"])
    soft.save(tmp_path / "soft.keras")
    code = (
        "import keras, kprune, sys;"
        "model = keras.models.load_model(sys.argv[1]);"
        "sys.stdout.write(repr(kprune.learned.sparsity(model)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "soft.keras"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) == kprune.learned.sparsity(soft)


def test_the_layers_own_losses_stay():
    dense = layers.Dense(
        2,
        use_bias=False,
        kernel_initializer="ones",
        kernel_regularizer=keras.regularizers.L1(0.1),
        activity_regularizer=keras.regularizers.L1(0.5),
        name="fc",
    )
    model = kprune.learned.soft_threshold(
        keras.Sequential([keras.Input((3,)), dense]), initial=0.0
    )
    model(np.ones((1, 3)))

    # Of the outputs [1.5, 1.5] and of the six stored ones.
    np.testing.assert_allclose(sorted(model.losses), [0.6, 1.5], rtol=1e-6)


def test_statistics_below_a_wrapped_layer_move():
    inner = keras.Sequential(
        [layers.Dense(2, name="fc"), layers.BatchNormalization(name="norm")]
    )
    model = keras.Sequential(
        [keras.Input((5, 4)), layers.TimeDistributed(inner, name="steps")]
    )
    plain = model(normal(8, 5, 4), training=True)
    moved = inner.layers[1].moving_mean.numpy()
    inner.layers[1].moving_mean.assign([0, 0])
    # A threshold of sigmoid(-100), which is 0 beside any weight.
    soft = kprune.learned.soft_threshold(model, initial=-100.0)
    assert_same(soft(normal(8, 5, 4), training=True), plain, tolerance=1e-6)
    (mean,) = [v for v in soft.variables if v.name == "moving_mean"]
    assert_same(mean, moved, tolerance=1e-6)
    assert moved.all()


# How it trains.


@gated
def test_several_steps_per_execution_are_the_same_steps(put):
    one, several = trained(put), trained(put, steps_per_execution=4)
    assert_same(values(one), values(several), tolerance=1e-6)


@both
def test_half_precision(put, tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    soft = trained(put)
    assert soft(normal(3, 4)).dtype == "float16"
    assert {v.dtype for v in soft.trainable_variables} == {"float32"}
    assert all(np.isfinite(v).all() for v in values(soft))
    effective = kprune.learned.effective_weights(soft)
    assert {v.dtype.name for v in effective.values()} == {"float32"}
    soft.save(tmp_path / "soft.keras")
    loaded = keras.models.load_model(tmp_path / "soft.keras")
    assert_same(loaded(normal(3, 4)), soft(normal(3, 4)))
    masked = kprune.learned.to_masked(loaded)
    assert_same(masked(normal(3, 4)), soft(normal(3, 4)))


@gated
def test_two_replicas_train_as_one_device(put):
    devices = [d.name for d in tf.config.list_logical_devices("CPU")]
    strategy = tf.distribute.MirroredStrategy(
        devices, tf.distribute.ReductionToOneDevice()
    )
    start = two_layers().get_weights()

    def model():
        plain = two_layers()
        plain.set_weights(start)
        soft = put(plain)
        soft.compile(keras.optimizers.SGD(0.1), "mse")
        return soft

    with strategy.scope():
        replicated = model()
    alone = model()
    pairs = (normal(32, 4), normal(32, 2))
    data = tf.data.Dataset.from_tensor_slices(pairs).batch(8)
    logger = kprune.learned.SparsityLogger()
    histories = [
        one.fit(data, epochs=2, verbose=0, callbacks=[logger]).history
        for one in (replicated, alone)
    ]

    assert_same(values(replicated), values(alone), tolerance=1e-5)
    assert_same(*histories, tolerance=1e-5)
    for variable in replicated.variables:
        copies = [v.numpy() for v in variable.value.values]
        assert len(copies) == 2
        np.testing.assert_array_equal(*copies)
    assert_same(
        kprune.learned.to_masked(replicated)(pairs[0]), alone(pairs[0]), 1e-5
    )


@gated
def test_a_killed_run_resumes_to_the_bit(put, tmp_path):
    def run(directory, kill):
        keras.utils.set_random_seed(1)
        model = put(two_layers())
        model.compile("adam", "mse")
        pairs = (normal(32, 4), normal(32, 2))
        data = tf.data.Dataset.from_tensor_slices(pairs).batch(8)
        checkpoint = directory and kprune.callbacks.Checkpoint(directory, 3)
        history = kprune.training.fit(
            model, data, 3, checkpoint=checkpoint, callbacks=[Kill(kill)]
        )
        return model, history

    assert_resumes(run, [7], tmp_path)


# What it is not for.


@both
def test_models_that_do_not_fit_are_refused(put):
    soft = put(two_layers())
    with pytest.raises(ValueError, match="soft thresholds or gates already"):
        put(soft)
    with pytest.raises(ValueError, match=r"has masks.*`kprune\.strip`"):
        put(kprune.wrap(two_layers()))
    with pytest.raises(ValueError, match=r"to be a keras\.Model"):
        put("model")
    with pytest.raises(ValueError, match="Unknown weight in `exclude`"):
        put(two_layers(), exclude="c")


@pytest.mark.parametrize(
    "function",
    [
        kprune.learned.to_masked,
        kprune.learned.sparsity,
        kprune.learned.zeros,
        kprune.learned.effective_weights,
    ],
)
def test_a_plain_model_is_refused(function):
    with pytest.raises(ValueError, match="has no sparsity that is learned"):
        function(two_layers())


def test_a_layer_that_assigns_its_weight_is_refused():
    dense = layers.Dense(3, name="fc")
    model = keras.Sequential(
        [keras.Input((4,)), layers.SpectralNormalization(dense, name="norm")]
    )
    soft = kprune.learned.soft_threshold(model)
    with pytest.raises(ValueError, match="assigns its weight 'kernel'"):
        soft(normal(2, 4), training=True)


def test_parts_name_weights_of_the_layer():
    with pytest.raises(ValueError, match=r"has no weight \['bias'\]"):
        layer = kprune.learned.Reparametrized(
            layers.Dense(4, name="fc"),
            {"bias": kprune.learned.SoftThreshold()},
        )
        layer(normal(2, 3))
