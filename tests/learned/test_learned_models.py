"""What holds of every model whose sparsity is learned, whatever the method."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from interruption import Kill, assert_resumes
from keras import layers
from lifecycle import (
    assert_same,
    normal,
    pruned_values,
    saved_and_loaded,
    two_layers,
    values,
)
from model_kinds import KINDS
from networks import batched, conv_net, sequential, two_replicas

import kprune
from kprune import learned
from kprune.masking import weights

PUT = {
    "soft_threshold": lambda m, **o: learned.soft_threshold(m, -2.0, **o),
    # About half of the gates start closed.
    "hard_concrete": lambda m, **o: learned.hard_concrete(
        m, 100, drop_rate=11 / 12, **o
    ),
    "edge_popup": lambda m, **o: kprune.select(m, "edge_popup", 0.5, **o),
    "biprop": lambda m, **o: kprune.select(m, "biprop", 0.5, **o),
    "supermask": lambda m, **o: kprune.select(
        m, "supermask", round_mask=True, **o
    ),
    "gem_miner": lambda m, **o: kprune.select(m, "gem_miner", **o),
}
SELECTED = ("edge_popup", "biprop", "supermask", "gem_miner")
TRAINED = {"kernel", "bias", "gamma", "beta", "embeddings"}
FAST = {
    ("subclassed", "soft_threshold"),
    ("nested", "hard_concrete"),
    ("sequential", "edge_popup"),
    ("convolutional_with_batch_norm", "biprop"),
    ("attention", "supermask"),
    ("sequential", "gem_miner"),
}


def each(names, fast=None):
    """Parametrizes a test by the method; all but some are run by hand."""
    slow = pytest.mark.slow
    marks = {name: () if name in (fast or names) else slow for name in names}
    return pytest.mark.parametrize(
        "how", [pytest.param(n, marks=m) for n, m in marks.items()]
    )


def moved(model, how):
    """Draws scores or logits anew, so that about half of them are < 0."""
    if how in SELECTED:
        rng = np.random.default_rng(0)
        for variable in model.trainable_variables:
            variable.assign(rng.normal(size=variable.shape))
    return model


def pairs(count=32):
    return normal(count, 4), normal(count, 2)


def trained(how, run_eagerly=True, **compiled):
    """Four steps: to trace one takes longer."""
    keras.utils.set_random_seed(1)
    model = PUT[how](two_layers())
    model.compile("sgd", "mse", run_eagerly=run_eagerly, **compiled)
    model.fit(*pairs(), batch_size=8, verbose=0)
    return moved(model, how)


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        pytest.param(k, m, marks=() if (k, m) in FAST else pytest.mark.slow)
        for k in KINDS
        for m in PUT
    ],
)
def test_kind_lives_through(kind, how, tmp_path):
    model, x, y = KINDS[kind]()
    before, names = values(model), [w.name for w in weights.find(model)]
    net = PUT[how](model)
    net.compile("sgd", "mse", run_eagerly=True)
    net.train_on_batch(x, y)
    assert_same(values(model), before)
    outputs, masks = moved(net, how)(x), learned.selected_masks(net)
    removed = {name: (~mask).sum() for name, mask in masks.items()}
    assert sum(removed.values()) > 0
    if how not in SELECTED:  # Of these a value kept may be 0 on its own.
        assert learned.zeros(net) == removed

    loaded = saved_and_loaded(net, tmp_path)
    assert_same(loaded(x), outputs)
    assert isinstance(loaded, type(model))
    assert [v.name for v in loaded.trainable_variables] == [
        v.name for v in net.trainable_variables
    ]
    for one in (net, loaded):
        masked, plain = learned.to_masked(one), kprune.strip(one)
        for copy in (masked, plain):
            assert_same(copy(x), outputs, tolerance=1e-5)
            assert len(copy.trainable_variables) == len(
                model.trainable_variables
            )
        assert_same(kprune.get_masks(masked), masks)
        assert [w.name for w in weights.find(masked)] == names
        assert type(plain) is type(model)
        assert type(kprune.strip(masked)) is type(model)
    assert_same(net(x), outputs)


@each(PUT, fast=["soft_threshold", "edge_popup"])
def test_a_masked_model_trains_its_weights_under_the_masks(how):
    net = trained(how)
    masked, masks = learned.to_masked(net), learned.selected_masks(net)
    assert kprune.report(masked).sparsity == learned.sparsity(net) > 0
    assert masked.optimizer.iterations == 0  # Compiled alike, and afresh.
    before = [np.array(v) for v in masked.trainable_variables]
    masked.fit(*pairs(), verbose=0)
    after = [np.array(v) for v in masked.trainable_variables]
    assert [v.name for v in masked.trainable_variables].count("kernel") == 2
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    assert_same(kprune.get_masks(masked), masks)
    assert pruned_values(masked).size > 0
    assert not pruned_values(masked).any()


@each(SELECTED, fast=["biprop"])
def test_training_a_choice_moves_scores_and_statistics_alone(how):
    model = conv_net((6, 6, 1))
    model.get_layer("norm").gamma.assign([1.0, 2.0, 3.0, 4.0])
    net = PUT[how](model)

    def frozen():
        return [np.array(v) for v in net.variables if v.name in TRAINED]

    before = frozen()
    scores = [np.array(v) for v in net.trainable_variables]
    assert (len(before), len(scores)) == (7, 3)
    net.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True)
    net.fit(normal(16, 6, 6, 1), normal(16, 3), 8, verbose=0)
    assert_same(frozen(), before)
    for variable, old in zip(net.trainable_variables, scores, strict=True):
        assert (np.array(variable) != old).mean() > 0.5
    (mean,) = [v for v in net.variables if v.name == "moving_mean"]
    assert np.abs(mean).min() > 0
    # Frozen stays frozen when the model is told to train.
    names = [v.name for v in net.trainable_variables]
    net.trainable = False
    assert net.trainable_variables == []
    net.trainable = True
    assert [v.name for v in net.trainable_variables] == names
    assert "kprune" not in kprune.strip(net).to_json()


@each(PUT)
def test_excluded_weights_stay_dense(how):
    net = moved(PUT[how](two_layers(), exclude="b"), how)
    assert list(learned.selected_masks(net)) == ["a/kernel"]
    assert list(learned.effective_weights(net)) == ["a/kernel"]
    masks = kprune.get_masks(learned.to_masked(net))
    assert masks["b/kernel"].all() and not masks["a/kernel"].all()
    if how in SELECTED:  # Dense, and frozen as all is.
        assert len(net.trainable_variables) == 1


@each(PUT, fast=["hard_concrete"])
def test_an_exported_model_computes_the_same(how, tmp_path):
    net, x = moved(PUT[how](two_layers()), how), normal(3, 4)
    kprune.export(net, tmp_path / "saved")
    served = tf.saved_model.load(tmp_path / "saved")
    assert_same(served.serve(x), net(x), tolerance=1e-6)


@pytest.mark.slow
def test_a_saved_model_loads_where_kprune_is_only_imported(tmp_path):
    net = trained("hard_concrete")
    net.save(tmp_path / "net.keras")
    code = (
        "import keras, kprune, sys;"
        "model = keras.models.load_model(sys.argv[1]);"
        "sys.stdout.write(repr(kprune.learned.sparsity(model)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "net.keras"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) == learned.sparsity(net)


# How it trains.


@each(("soft_threshold", "hard_concrete"), fast=["hard_concrete"])
def test_several_steps_per_execution_are_the_same_steps(how):
    one = trained(how)
    several = trained(how, run_eagerly=False, steps_per_execution=4)
    assert_same(values(one), values(several), tolerance=1e-6)


@each(PUT, fast=["hard_concrete", "edge_popup"])
def test_half_precision(how, tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    net, x = trained(how), normal(3, 4)
    assert net(x).dtype == "float16"
    assert {v.dtype for v in net.trainable_variables} == {"float32"}
    assert all(np.isfinite(v).all() for v in values(net))
    effective = learned.effective_weights(net)
    assert {v.dtype.name for v in effective.values()} == {"float32"}
    loaded = saved_and_loaded(net, tmp_path)
    assert_same(loaded(x), net(x))
    for copy in (kprune.strip(net), learned.to_masked(loaded)):
        assert_same(copy(x), net(x), tolerance=1e-3)


@each(("hard_concrete", "soft_threshold", "edge_popup"), fast=["hard_concrete"])
def test_two_replicas_train_as_one_device(how):
    def model():
        keras.utils.set_random_seed(1)
        net = PUT[how](two_layers())
        net.compile(keras.optimizers.SGD(0.1), "mse")
        return net

    with two_replicas().scope():
        replicated = model()
    alone = model()
    histories = [
        one.fit(
            batched(*pairs()),
            verbose=0,
            callbacks=[learned.SparsityLogger()],
        ).history
        for one in (replicated, alone)
    ]

    assert_same(values(replicated), values(alone), tolerance=1e-5)
    assert_same(*histories, tolerance=1e-5)
    for variable in replicated.variables:
        copies = [v.numpy() for v in variable.value.values]
        assert len(copies) == 2
        np.testing.assert_array_equal(*copies)
    x = normal(32, 4)
    assert_same(learned.to_masked(replicated)(x), alone(x), tolerance=1e-5)


@each(("hard_concrete", "soft_threshold"), fast=["hard_concrete"])
def test_a_killed_run_resumes_to_the_bit(how, tmp_path):
    def run(directory, kill):
        keras.utils.set_random_seed(1)
        model = PUT[how](two_layers())
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
        checkpoint = directory and kprune.callbacks.Checkpoint(directory, 3)
        history = kprune.training.fit(
            model,
            batched(*pairs()),
            2,
            checkpoint=checkpoint,
            callbacks=[Kill(kill)],
        )
        return model, history

    assert_resumes(run, [7], tmp_path)


# Layers of other kinds.


def test_the_layers_own_losses_stay():
    dense = layers.Dense(
        2,
        use_bias=False,
        kernel_initializer="ones",
        kernel_regularizer=keras.regularizers.L1(0.1),
        activity_regularizer=keras.regularizers.L1(0.5),
        name="fc",
    )
    model = learned.soft_threshold(sequential((3,), dense), initial=0.0)
    model(np.ones((1, 3)))

    # Of the outputs [1.5, 1.5] and of the six stored ones.
    np.testing.assert_allclose(sorted(model.losses), [0.6, 1.5], rtol=1e-6)


def test_statistics_below_a_wrapped_layer_move():
    inner = keras.Sequential(
        [layers.Dense(2, name="fc"), layers.BatchNormalization(name="norm")]
    )
    model = sequential((5, 4), layers.TimeDistributed(inner, name="steps"))
    plain = model(normal(8, 5, 4), training=True)
    statistics = inner.layers[1].moving_mean.numpy()
    inner.layers[1].moving_mean.assign([0, 0])
    # A threshold of sigmoid(-100), which is 0 beside any weight.
    soft = learned.soft_threshold(model, initial=-100.0)
    assert_same(soft(normal(8, 5, 4), training=True), plain, tolerance=1e-6)
    (mean,) = [v for v in soft.variables if v.name == "moving_mean"]
    assert_same(mean, statistics, tolerance=1e-6)
    assert statistics.all()


def test_a_layer_that_assigns_its_weight_is_refused():
    dense = layers.Dense(3, name="fc")
    model = sequential((4,), layers.SpectralNormalization(dense, name="norm"))
    soft = learned.soft_threshold(model)
    with pytest.raises(ValueError, match="assigns its weight 'kernel'"):
        soft(normal(2, 4), training=True)


def test_parts_name_weights_of_the_layer():
    with pytest.raises(ValueError, match=r"has no weight \['bias'\]"):
        layer = learned.Reparametrized(
            layers.Dense(4, name="fc"), {"bias": learned.SoftThreshold()}
        )
        layer(normal(2, 3))


# What does not fit.


@each(PUT)
def test_models_that_do_not_fit_are_refused(how):
    put = PUT[how]
    for model, options, message in [
        (put(two_layers()), {}, "gates or choices of its weights already"),
        (kprune.wrap(two_layers()), {}, r"has masks.*`kprune\.strip`"),
        ("model", {}, r"to be a keras\.Model"),
        (two_layers(), {"exclude": "c"}, "Unknown weight in `exclude`: 'c'"),
        (two_layers(), {"exclude": ["a", "b"]}, "leave a weight"),
    ]:
        with pytest.raises(ValueError, match=message):
            put(model, **options)


@pytest.mark.parametrize(
    "function",
    [
        learned.effective_weights,
        learned.selected_masks,
        learned.sparsity,
        learned.to_masked,
        learned.zeros,
    ],
)
def test_a_plain_model_is_refused(function):
    with pytest.raises(ValueError, match="has no sparsity that is learned"):
        function(two_layers())
