"""What a wrapped model computes, stores, and refuses.

With Keras' callbacks: tests/training/test_keras_callbacks.py.
"""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from lifecycle import (
    assert_same,
    checkerboard,
    normal,
    pruned_values,
    saved_and_loaded,
    two_layers,
    values,
)
from networks import sequential

import kprune
from kprune.masking import weights, wrapping
from kprune.training.optimizers import TorchSGD

X, OUTPUTS = np.array([[3.0, 5.0]]), np.array([[8.0, 5.0]])
MASK = np.array([[True, False], [True, True]])


def ones(**options):
    """A 2 x 2 kernel of ones, and a mask of three: of X it makes OUTPUTS."""
    layer = layers.Dense(2, use_bias=False, name="fc")
    model = sequential((2,), layer, values=[np.ones((2, 2))])
    model = kprune.wrap(model, **options)
    kprune.set_masks(model, {"fc/kernel": MASK})
    return model


def test_outputs_are_those_of_the_sparse_network_even_over_nan():
    model = ones()
    # (3, 5) times [[1, 0], [1, 1]] is (8, 5).
    assert_same(model(X), OUTPUTS)
    weights.find(model)[0].variable.assign(np.where(MASK, 1, np.nan))
    assert_same(model(X), OUTPUTS)
    assert_same(kprune.strip(model)(X), OUTPUTS)


def test_values_that_are_kept_under_the_mask(tmp_path):
    model = ones(keep_pruned_values=True)
    assert_same(values(model), [np.ones((2, 2))])
    assert_same(model(X), OUTPUTS)
    loaded = saved_and_loaded(model, tmp_path)
    assert_same(values(loaded), [np.ones((2, 2))])
    assert weights.find(loaded)[0].keep_pruned_values
    model.compile(keras.optimizers.SGD(0.5), "mse", run_eagerly=True)
    model.train_on_batch(X, np.zeros((1, 2)))
    # The gradient at the pruned position is zero, so it stays at one.
    assert values(model)[0][0, 1] == 1
    # Stripped, what is stored is what was computed with.
    assert kprune.strip(model).get_weights()[0][0, 1] == 0


def test_layers_wrapped_by_hand_are_built_from_their_arguments():
    model = sequential((4,), kprune.Masked(layers.Dense(3, name="fc")))
    assert kprune.get_masks(model)["fc/kernel"].all()
    layer = kprune.Masked(layers.MultiHeadAttention(2, 3))
    q, v = normal(2, 5, 4), normal(2, 7, 6)
    assert layer(query=q, value=v).shape == (2, 5, 4)
    masks = [mask.shape for mask, *_ in layer.mask_of().values()]
    assert masks == [(4, 2, 3), (6, 2, 3), (6, 2, 3), (2, 3, 4)]


@pytest.mark.parametrize("mode", [None, "full"])
def test_gradients_at_pruned_positions_are_zero(mode):
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            with keras.RematScope(mode=mode):
                self.dense = layers.Dense(3)

        def call(self, x):
            return self.dense(x)

    def gradients(model):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(x, training=True) ** 2)
        variables = [v.value for v in model.trainable_variables]
        return [np.asarray(g) for g in tape.gradient(loss, variables)]

    model, x, mask = Net(), normal(5, 4), checkerboard(4, 3)
    model(x)
    wrapped = kprune.wrap(model)
    assert_same(gradients(wrapped), gradients(model))
    kprune.set_masks(wrapped, {"dense/kernel": mask})
    gradient = gradients(wrapped)[0]
    assert not gradient[~mask].any()
    assert gradient[mask].all()


def test_own_constraint_still_applies():
    limit = keras.constraints.MaxNorm(0.1, axis=0)
    layer = layers.Dense(3, use_bias=False, kernel_constraint=limit)
    model = kprune.prune(sequential((4,), layer), "magnitude", 0.5)
    model.compile(keras.optimizers.SGD(1.0), "mse", run_eagerly=True)
    model.train_on_batch(normal(8, 4), normal(8, 3))
    (kernel,) = values(model)
    assert np.linalg.norm(kernel, axis=0).max() <= 0.1 + 1e-6
    assert not pruned_values(model).any()


@keras.saving.register_keras_serializable("tests")
class Penalized(layers.Layer):
    """A composite that adds a loss of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = layers.Dense(3, kernel_regularizer="l2")

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x):
        x = self.inner(x)
        self.add_loss(0.25 * ops.sum(x**2))
        return x


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.Dense(3, kernel_regularizer="l2", bias_regularizer="l1"),
        lambda: layers.Dense(3, activity_regularizer="l2"),
        lambda: layers.TimeDistributed(
            layers.Dense(3, kernel_regularizer="l2"), activity_regularizer="l2"
        ),
        Penalized,
    ],
    ids=["kernel", "activity", "time_distributed", "add_loss"],
)
def test_losses_of_layers_count_once(layer):
    model = sequential((5, 4), layer())
    wrapped = kprune.wrap(model)
    x, y = normal(2, 5, 4), normal(2, 5, 3)
    totals, parts = [], []
    for one in (model, wrapped):
        one.compile("sgd", "mse", run_eagerly=True)
        totals.append(one.test_on_batch(x, y))
        one(x)
        parts.append(sorted(map(float, one.losses)))
    assert totals[1] == pytest.approx(totals[0], rel=1e-6)
    assert parts[1] == pytest.approx(parts[0], rel=1e-6)
    assert len(parts[0]) >= 1


@keras.saving.register_keras_serializable("tests")
class Composite(layers.Layer):
    """Dense, batch norm, dropout: state of all kinds in one layer."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.dense = layers.Dense(units)
        self.norm = layers.BatchNormalization(momentum=0.5)
        self.drop = layers.Dropout(0.5)

    def build(self, shape):
        self.dense.build(shape)
        self.norm.build((*shape[:-1], self.units))

    def call(self, x, training=None):
        x = self.norm(self.dense(x), training=training)
        return self.drop(x, training=training)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def test_state_inside_a_wrapped_composite_advances():
    model = sequential((4,), Composite(3))
    wrapped = kprune.wrap(model)
    x, y = normal(6, 4), normal(6, 3)
    first = wrapped(x, training=True)
    assert_same(first, model(x, training=True))
    assert_same(values(wrapped), values(model))
    second = wrapped(x, training=True)
    assert not np.array_equal(first, second)  # Other units were dropped.
    before = [v.numpy() for v in wrapped.non_trainable_variables]
    wrapped.compile("sgd", "mse")  # In a graph, where updates may get lost.
    wrapped.fit(x, y, verbose=0)
    after = [v.numpy() for v in wrapped.non_trainable_variables]
    pairs = zip(before, after, strict=True)
    changed = [not np.array_equal(a, b) for a, b in pairs]
    # Moving mean, moving variance and the seed have; the mask has not.
    assert sorted(changed) == [False, True, True, True]


def test_state_of_a_stateful_rnn_advances():
    layer = layers.GRU(3, stateful=True)
    model = keras.Sequential([keras.Input(batch_shape=(2, 5, 4)), layer])
    wrapped = kprune.wrap(model)
    x = normal(2, 5, 4)
    for _ in range(2):
        assert_same(wrapped(x), model(x))
    assert_same(values(wrapped), values(model))
    assert values(wrapped)[-1].any()


@keras.saving.register_keras_serializable("tests")
class Cell(layers.Layer):
    """A recurrent cell with dropout, drawn anew in each turn of the loop."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense, self.drop = layers.Dense(3), layers.Dropout(0.5)
        self.state_size = 3

    def build(self, shape):
        self.dense.build((shape[0], shape[-1] + 3))

    def call(self, x, states, training=None):
        x = self.dense(ops.concatenate([x, states[0]], axis=-1))
        x = self.drop(x, training=training)
        return x, [x]


def test_state_that_changes_inside_of_a_loop_advances():
    model = sequential((None, 4), layers.RNN(Cell()))
    wrapped = kprune.prune(model, "magnitude", 0.5)
    seed = wrapped.non_trainable_variables[-1]
    before = seed.numpy()

    @tf.function(input_signature=[tf.TensorSpec((2, None, 4))])
    def step(x):
        return wrapped(x, training=True)

    outputs = [step(normal(2, 5, 4)).numpy() for _ in range(2)]
    assert not np.array_equal(*outputs)  # Other units were dropped.
    # Two calls of five turns, and one more each to see the shape of a turn.
    assert seed.numpy()[1] - before[1] == 12


def test_layer_that_assigns_its_own_weight_stays_sparse():
    model = sequential((4,), layers.SpectralNormalization(layers.Dense(3)))
    wrapped = kprune.wrap(model)
    x = normal(6, 4)
    assert_same(wrapped(x, training=True), model(x, training=True))
    assert_same(values(wrapped), values(model))
    pruned = kprune.prune(model, "magnitude", 0.5)
    pruned.compile("sgd", "mse", run_eagerly=True)
    pruned.train_on_batch(x, normal(6, 3))
    assert not pruned_values(pruned).any()


def test_keras_masks_pass_through():
    i = keras.Input((None,), dtype="int32")
    x = layers.Embedding(9, 4, mask_zero=True, name="embedding")(i)
    x = layers.Dense(4)(x)
    x = layers.LSTM(4, return_sequences=True)(x)
    model = keras.Model(i, layers.GlobalAveragePooling1D()(x))
    wrapped = kprune.wrap(model)
    x = np.array([[3, 1, 2, 0, 0, 0]], "int32")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # No layer destroys the mask.
        assert_same(wrapped(x), model(x))
    # What is masked does not count: shorter by it, the outputs are the same.
    np.testing.assert_allclose(wrapped(x), wrapped(x[:, :3]), atol=1e-6)
    hidden = wrapped.get_layer("embedding")(x)
    found = keras.src.backend.get_keras_mask(hidden)
    np.testing.assert_array_equal(found, x > 0)


def test_arguments_of_a_call_reach_the_layer():
    layer = layers.MultiHeadAttention(2, 3)
    x, seen = normal(2, 5, 4), np.tril(np.ones((1, 5, 5), bool))
    arguments = {"attention_mask": seen, "return_attention_scores": True}
    expected = layer(x, x, **arguments)
    wrapped = kprune.Masked(layer)
    assert_same(wrapped(x, x, **arguments), expected)
    assert_same(wrapped(x, value=x, **arguments), expected)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_computes_as_before(policy):
    keras.config.set_dtype_policy(policy)
    head = layers.Dense(3, dtype="float32")
    model = sequential((4,), layers.Dense(8, activation="relu"), head)
    x, y = normal(6, 4), normal(6, 3)
    wrapped = kprune.wrap(model)
    assert_same(wrapped(x), model(x))
    assert wrapped(x).dtype == tf.float32
    assert wrapped.layers[0](x).dtype == policy.removeprefix("mixed_")
    pruned = kprune.prune(model, "magnitude", 0.5)
    pruned.compile("adam", "mse", run_eagerly=True)
    pruned.train_on_batch(x, y)
    assert not pruned_values(pruned).any()
    assert_same(kprune.strip(pruned)(x), pruned(x))


def test_set_masks_zeroes_what_it_prunes_and_only_that():
    model = kprune.wrap(two_layers())
    before = values(model)
    mask = checkerboard(4, 5)
    kprune.set_masks(model, {"a/kernel": mask})
    assert_same(values(model)[0], np.where(mask, before[0], 0))
    assert_same(values(model)[1:], before[1:])
    assert_same(kprune.get_masks(model)["a/kernel"], mask)
    assert kprune.get_masks(model)["b/kernel"].all()
    # A weight that comes back starts at zero and trains again.
    kprune.set_masks(model, {"a/kernel": np.ones((4, 5))})
    assert_same(values(model)[0], np.where(mask, before[0], 0))
    model.compile("sgd", "mse", run_eagerly=True)
    model.train_on_batch(normal(8, 4), normal(8, 2))
    assert values(model)[0].all()


@pytest.mark.parametrize(
    "masks, message",
    [
        ({"a/kernal": np.ones((4, 5))}, r"Did you mean 'a/kernel'"),
        ({"a/bias": np.ones(5)}, r"Unknown weight with a mask: 'a/bias'"),
        ({"b/kernel": np.ones((2, 5))}, r"Expected \(5, 2\).*\(2, 5\)"),
        ({"b/kernel": np.full((5, 2), 0.5)}, r"boolean \(True = kept\)"),
        ({"b/kernel": np.full((5, 2), np.nan)}, r"boolean \(True = kept\)"),
        ({"b/kernel": np.full((5, 2), 2)}, r"hold only 0 and 1"),
    ],
    ids=["name", "bias", "shape", "half", "nan", "two"],
)
def test_set_masks_checks_all_before_it_changes_anything(masks, message):
    model = kprune.wrap(two_layers())
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        kprune.set_masks(model, {"a/kernel": checkerboard(4, 5), **masks})
    assert_same(model.get_weights(), before)


def test_notes_are_kept_and_replaced(tmp_path):
    model = kprune.wrap(two_layers())
    wrapping.set_notes(model, {"a/kernel": "too small", "b/kernel": "output"})
    wrapping.set_notes(model, {"a/kernel": "excluded"})
    for one in (model, saved_and_loaded(model, tmp_path)):
        assert [w.note for w in weights.find(one)] == ["excluded", None]


def test_models_without_masks_and_those_that_cannot_be_wrapped():
    frozen = two_layers()
    frozen.trainable = False
    for call in (kprune.get_masks, lambda model: kprune.set_masks(model, {})):
        with pytest.raises(ValueError, match="has no masks"):
            call(two_layers())
    for model, message in (
        (keras.Sequential([layers.Dense(3)]), "is not built"),
        (layers.Dense(3), "Received: Dense"),
        (sequential((3,), layers.ReLU()), "has no kernels at all"),
        (frozen, "a/kernel: frozen; b/kernel: frozen"),
    ):
        with pytest.raises(ValueError, match=message):
            kprune.wrap(model)


@pytest.mark.parametrize("optimizer", ["Adam", "TorchSGD"])
def test_files_hold_masks_and_the_optimizer(optimizer, tmp_path):
    model = kprune.prune(two_layers(), "magnitude", 0.5)
    make = {"Adam": keras.optimizers.Adam, "TorchSGD": TorchSGD}[optimizer]
    model.compile(make(0.1, 0.9, weight_decay=0.01), "mse", run_eagerly=True)
    x, y = normal(8, 4), normal(8, 2)
    model.train_on_batch(x, y)
    model.save_weights(tmp_path / "model.weights.h5")
    again = kprune.wrap(two_layers())
    again.load_weights(tmp_path / "model.weights.h5")
    assert_same(kprune.get_masks(again), kprune.get_masks(model))
    assert_same(again.get_weights(), model.get_weights())
    loaded = saved_and_loaded(model, tmp_path)
    assert type(loaded.optimizer) is type(model.optimizer) is make
    for one in (model, loaded):
        one.train_on_batch(x, y)
    assert_same(loaded.get_weights(), model.get_weights())
    assert_same(loaded.optimizer.variables, model.optimizer.variables)
    assert not pruned_values(loaded).any()


def test_attributes_of_the_layer_are_found_on_its_wrapper():
    layer = kprune.wrap(two_layers()).get_layer("a")
    assert layer.units == 5 and layer.kernel.shape == (4, 5)
    for name, owner in (("_private", "Masked"), ("no_such_thing", "Dense")):
        with pytest.raises(AttributeError, match=f"'{owner}' object has no"):
            getattr(layer, name)


def test_masked_from_its_config():
    options = {"keep_pruned_values": True, "notes": {"kernel": "why"}}
    layer = kprune.Masked(layers.Dense(3, name="fc"), **options)
    layer(normal(2, 4))
    again = kprune.Masked.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.keep_pruned_values and again.masked == ["kernel"]


@pytest.mark.parametrize("keep_pruned_values", [False, True])
def test_dense_gradients_reach_what_is_pruned(keep_pruned_values):
    model = sequential((3,), layers.Dense(2, name="dense"), seed=0)
    kernel = model.layers[0].kernel.numpy()
    mask = np.array([[True, False], [False, True], [True, True]])
    x, y = np.array([[1.0, 2.0, 3.0]], "float32"), np.ones((1, 2), "float32")
    wrapped = kprune.wrap(model, keep_pruned_values=keep_pruned_values)
    how = {"dense_gradients": True}
    wrapping.set_pruned_behavior(wrapped, keep_pruned_values, **how)
    kprune.set_masks(wrapped, {"dense/kernel": mask})
    optimizer = keras.optimizers.SGD(0.1, momentum=0.5)
    wrapped.compile(optimizer, "mse", run_eagerly=True)
    # The outputs are those of the sparse network.
    outputs = x @ (kernel * mask)
    np.testing.assert_allclose(wrapped(x), outputs, rtol=1e-6)
    wrapped.train_on_batch(x, y)
    gradient = x.T @ (outputs - y)  # The mean over two outputs, times 2.
    momentum = optimizer.variables[2].numpy()
    np.testing.assert_allclose(momentum, -0.1 * gradient, rtol=1e-5)
    stored = wrapped.trainable_variables[0].numpy()
    moved = kernel - 0.1 * gradient
    if not keep_pruned_values:
        moved = moved * mask
    np.testing.assert_allclose(stored, moved, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(
        wrapped(x), x @ (moved * mask) - 0.1 * (outputs - y), rtol=1e-4
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.layers[0].enable_lora(2),
        lambda model: model.quantize("int8"),
        lambda model: model.quantize("int4"),
    ],
)
def test_other_weights_are_for_models_without_masks(change):
    masked = kprune.prune(two_layers(), "magnitude", 0.5)
    x = normal(2, 4)
    outputs = masked(x)
    with pytest.raises(ValueError, match=r"take `kprune\.strip\(model\)`"):
        change(masked)
    np.testing.assert_array_equal(masked(x), outputs)
    stripped = kprune.strip(masked)
    change(stripped)
    np.testing.assert_allclose(stripped(x), outputs, atol=0.3)
    stripped.layers[0].get_config()


def test_float8_trains_on_with_masks(tmp_path):
    masked = kprune.prune(two_layers(), "magnitude", 0.5)
    masked.quantize("float8")
    masked.compile("sgd", "mse")
    masked.fit(normal(8, 4), normal(8, 2), verbose=0)
    for weight in weights.find(masked):
        pruned = ~np.asarray(weight.mask)
        assert pruned.any() and not np.asarray(weight.variable)[pruned].any()
    masked.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = normal(2, 4)
    np.testing.assert_array_equal(loaded(x), masked(x))
    np.testing.assert_array_equal(kprune.strip(masked)(x), masked(x))
