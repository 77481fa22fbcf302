"""Moving statistics measured again, and biases that give means back."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kprune
from kprune.masking import weights
from kprune.pruning.kept_weights import recalibration

layers = keras.layers


def images(count=20, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(1, 3, (count, 6, 6, 2)).astype("float32")


def network(data_format="channels_last", second=None):
    axis = -1 if data_format == "channels_last" else 1
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Permute((1, 2, 3) if axis == -1 else (3, 1, 2)),
            layers.BatchNormalization(axis=axis, name="first"),
            layers.Flatten(),
            layers.Dense(4, use_bias=False, name="hidden"),
            second or layers.BatchNormalization(name="second"),
            layers.Dense(3, activation="relu"),
            layers.Dense(2),
        ]
    )


def batches(x, *sizes):
    """A data set of batches of other sizes each."""
    ends = np.cumsum(sizes)

    def parts():
        for size, end in zip(sizes, ends, strict=True):
            yield x[end - size : end], np.zeros(size, "int32")

    shapes = (None, *x.shape[1:]), (None,)
    signature = tuple(
        tf.TensorSpec(shape, dtype)
        for shape, dtype in zip(shapes, (x.dtype, "int32"), strict=True)
    )
    return tf.data.Dataset.from_generator(parts, output_signature=signature)


def read_by(model, layer, x):
    """What a layer reads in inference mode."""
    inner = keras.Model(model.inputs, model.get_layer(layer).input)
    return np.asarray(inner([x], training=False), np.float64)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_statistics_are_those_of_all_examples_together(data_format):
    model, x = network(data_format), images()
    data = batches(x, 7, 1, 12)
    assert kprune.kept_weights.recalibrate(model, data=data) == 2
    first = model.get_layer("first")
    expected = x.astype("float64")
    np.testing.assert_allclose(
        first.moving_mean, expected.mean((0, 1, 2)), rtol=1e-5
    )
    np.testing.assert_allclose(
        first.moving_variance, expected.var((0, 1, 2)), rtol=1e-5
    )


def test_one_batch_gives_the_statistics_of_training():
    """Keras' own, of a momentum of 0 in training mode."""
    model, x = network(), images()
    alike = keras.models.clone_model(model)
    alike.set_weights(model.get_weights())
    for name in ("first", "second"):
        alike.get_layer(name).momentum = 0.0
    alike(x, training=True)
    data = x, np.zeros(len(x), "int32")
    kprune.kept_weights.recalibrate(model, data=data)
    for ours, theirs in zip(model.weights, alike.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_sequentially_layers_give_beta_and_gamma_in_inference_mode():
    model, x = network(), images()
    pruned = kprune.prune(model, "magnitude", 0.5, verbose=0)
    second = pruned.get_layer("second")
    second.beta.assign([1.0, 2, 3, 4])
    second.gamma.assign([2.0, 3, 4, 5])
    data = batches(x, 3, 17)
    kprune.kept_weights.recalibrate(pruned, data=data, sequential=True)
    read = read_by(pruned, "second", x)
    np.testing.assert_allclose(second.moving_mean, read.mean(0), rtol=1e-4)
    np.testing.assert_allclose(second.moving_variance, read.var(0), rtol=1e-4)
    given = np.asarray(second(read.astype("float32"), training=False))
    np.testing.assert_allclose(given.mean(0), [1, 2, 3, 4], atol=1e-4)
    np.testing.assert_allclose(given.std(0), [2, 3, 4, 5], rtol=1e-2)


def test_at_once_differs_where_batches_do():
    x = images()
    found = []
    for sequential in (False, True):
        model = network()
        kprune.kept_weights.recalibrate(
            model, data=batches(x, 2, 18), sequential=sequential
        )
        found.append(np.asarray(model.get_layer("second").moving_variance))
    assert not np.allclose(*found, rtol=1e-3)


def test_frozen_layers_are_measured_and_nothing_else_changes():
    second = layers.BatchNormalization(trainable=False, name="second")
    model, x = network(second=second), images()
    before = {v.path: np.array(v) for v in model.variables}
    kprune.kept_weights.recalibrate(model, data=batches(x, 20))
    changed = {
        v.path.partition("/")[2]
        for v in model.variables
        if (before[v.path] != v.numpy()).any()
    }
    assert changed == {
        f"{name}/{of}"
        for name in ("first", "second")
        for of in ("moving_mean", "moving_variance")
    }


def test_padding_is_left_out():
    model = keras.Sequential(
        [
            keras.Input((3,), dtype="int32"),
            layers.Embedding(5, 2, mask_zero=True),
            layers.BatchNormalization(name="norm"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(2),
        ]
    )
    x = np.array([[1, 2, 0], [3, 0, 0]], "int32")
    kprune.kept_weights.recalibrate(model, data=(x, np.zeros(2, "int32")))
    rows = np.asarray(model.layers[0].embeddings)[[1, 2, 3]]
    norm = model.get_layer("norm")
    np.testing.assert_allclose(norm.moving_mean, rows.mean(0), rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, rows.var(0), rtol=1e-4)


def test_a_pruner_recalibrates_on_what_it_was_pruned_by():
    x = images()
    pruner = kprune.Pruner(
        "snip", after_pruning=kprune.kept_weights.recalibrate
    )
    data = x, np.zeros(len(x), "int32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    pruned = kprune.prune(
        network(), pruner, 0.5, data=data, loss=loss, verbose=0
    )
    norm = pruned.get_layer("first")
    np.testing.assert_allclose(norm.moving_mean, x.mean((0, 1, 2)), rtol=1e-4)


def calibration(model, x):
    loss = keras.losses.MeanSquaredError()
    return kprune.Objective(model, (x, np.zeros((len(x), 2))), loss)


def before_activation(model, x):
    """What each layer with a bias gives before its activation, by name."""
    found = {}
    for weight in weights.find(model):
        layer = weight.layer
        if getattr(layer, "bias", None) is None:
            continue
        activation = layer.activation
        layer.activation = keras.activations.linear
        output = model.get_layer(layer.name).output
        inner = keras.Model(model.inputs, output)
        found[weight.name] = np.asarray(inner([x], training=False), "f8")
        layer.activation = activation
    return found


def convolutional():
    keras.utils.set_random_seed(2)
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.Conv2D(3, 3, strides=2, dilation_rate=1, activation="elu"),
            layers.Flatten(),
            layers.Dense(5, activation="relu", bias_initializer="ones"),
            layers.Dense(2),
        ]
    )


@pytest.mark.parametrize("granularity", ["weight", "channel"])
def test_layers_give_the_mean_that_they_gave_before(granularity):
    model, x = convolutional(), images()
    objective = calibration(model, x)
    pruned = kprune.prune(
        model, "magnitude", 0.5, granularity=granularity, verbose=0
    )
    dense, off = before_activation(model, x), before_activation(pruned, x)
    moved = kprune.kept_weights.correct_biases(pruned, objective=objective)
    mended = before_activation(pruned, x)
    assert set(moved) == set(dense)
    for name, given in dense.items():
        axes = tuple(range(given.ndim - 1))
        mean = given.mean(axes)
        np.testing.assert_allclose(
            mended[name].mean(axes), mean, rtol=1e-4, atol=1e-4
        )
    last = list(dense)[-1]
    assert not np.allclose(off[last].mean(0), dense[last].mean(0), atol=1e-2)


def test_biases_by_hand():
    """A removed weight of 2 that reads 3 on average leaves 6 in the bias."""
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, name="out")])
    model.layers[0].set_weights([np.array([[2.0], [5.0]]), np.array([1.0])])
    x = np.array([[2.0, 7.0], [4.0, -1.0]], "float32")
    objective = kprune.Objective(model, (x, np.zeros((2, 1))), "mse")
    pruned = kprune.prune(model, "magnitude", 0.5, verbose=0)
    moved = kprune.kept_weights.correct_biases(pruned, objective=objective)
    np.testing.assert_allclose(moved["out/kernel"], [6.0], rtol=1e-6)


def test_attention_has_its_means_back():
    keras.utils.set_random_seed(3)
    x = keras.Input((4, 6))
    attention = layers.MultiHeadAttention(2, 3, name="attention")
    y = layers.Dense(2)(attention(x, x))
    model = keras.Model(x, y)
    data = np.random.default_rng(0).normal(1, 2, (30, 4, 6)).astype("float32")
    objective = kprune.Objective(model, (data, np.zeros((30, 4, 2))), "mse")
    pruned = kprune.prune(model, "magnitude", 0.6, verbose=0)
    kprune.kept_weights.correct_biases(pruned, objective=objective)
    mean = np.mean(model.predict(data, verbose=0), (0, 1))
    found = np.mean(pruned.predict(data, verbose=0), (0, 1))
    np.testing.assert_allclose(found, mean, rtol=1e-4, atol=1e-4)


def test_what_cannot_be_measured_is_refused():
    x = images()
    data = x, np.zeros(len(x), "int32")
    plain = kprune.prune(convolutional(), "magnitude", 0.5, verbose=0)
    recalibrate = kprune.kept_weights.recalibrate
    with pytest.raises(ValueError, match="which has none"):
        recalibrate(plain, data=data)
    with pytest.raises(ValueError, match="`data` or `objective`"):
        recalibrate(network())
    with pytest.raises(ValueError, match="does not fit model"):
        recalibrate(network(), data=(x[:, :, 0, 0], data[1]))
    with pytest.raises(ValueError, match="`data` or `objective`"):
        kprune.kept_weights.correct_biases(plain)
    other = calibration(network(), x)
    with pytest.raises(ValueError, match="objective's layers"):
        kprune.kept_weights.correct_biases(plain, objective=other)


class WithSpare(keras.Model):
    """Has a layer that it does not call."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.spare = layers.BatchNormalization(name="spare")
        self.spare.build((None, 4))

    def call(self, x):
        return self.backbone(x)


def test_a_layer_that_is_not_called_is_told_and_nothing_changes():
    model, x = WithSpare(network()), images()
    model(x)
    before = [np.array(v) for v in model.variables]
    with pytest.raises(ValueError, match="spare"):
        kprune.kept_weights.recalibrate(model, data=batches(x, 20))
    for old, new in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, new)


def test_replicas_see_the_new_statistics():
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        model = network()
    x = images()
    kprune.kept_weights.recalibrate(model, data=batches(x, 20))
    norm = model.get_layer("first")
    values = strategy.experimental_local_results(norm.moving_mean.value)
    for value in values:
        np.testing.assert_allclose(value, x.mean((0, 1, 2)), rtol=1e-4)


# After training.


def trained(model, x, **fit):
    """Trains within `recalibrating`; returns what training left, and now."""
    layer = model.get_layer("first")
    with recalibration.recalibrating(model, batches(x, 20)):
        model.compile("sgd", "mse")
        model.fit(x, np.zeros((len(x), 2)), batch_size=10, verbose=0, **fit)
        left = [v.numpy() for v in layer.non_trainable_variables]
    return left, [v.numpy() for v in layer.non_trainable_variables]


def test_statistics_that_training_moved_are_measured_again():
    model, x = network(), images()
    left, now = trained(model, x)
    np.testing.assert_allclose(now[0], x.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(now[1], x.var((0, 1, 2)), rtol=1e-5)
    assert np.max(np.abs(now[0] - left[0])) > 0.5  # Momentum is 0.99.


def test_a_frozen_layer_keeps_what_training_normalized_with():
    model, x = network(), images()
    model.get_layer("first").trainable = False
    before = model.get_layer("second").moving_mean.numpy()
    left, now = trained(model, x)
    for one, other in zip(left, now, strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.any(model.get_layer("second").moving_mean != before)


class InInferenceMode(keras.Model):
    """Runs a network as it does in inference, in training too."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    def call(self, x):
        return self.backbone(x, training=False)


def test_a_backbone_in_inference_mode_keeps_its_statistics():
    backbone, x = network(), images()
    layer = backbone.get_layer("first")
    before = layer.moving_mean.numpy()
    model = InInferenceMode(backbone)
    with recalibration.recalibrating(model, batches(x, 20)):
        model.compile("sgd", "mse")
        model.fit(x, np.zeros((len(x), 2)), verbose=0)
    np.testing.assert_array_equal(layer.moving_mean, before)


def test_after_an_error_nothing_is_measured():
    model, x = network(), images()
    layer = model.get_layer("first")
    with (
        pytest.raises(KeyboardInterrupt),
        recalibration.recalibrating(model, batches(x, 20)),
    ):
        layer.moving_mean.assign([5.0, 6.0])
        raise KeyboardInterrupt
    np.testing.assert_array_equal(layer.moving_mean, [5, 6])
