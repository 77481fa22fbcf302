"""PruneTrain: which channels go, and that what is left trains on."""

import keras
import numpy as np
import pytest
from networks import CE, batched, examples

import kprune
from kprune.callbacks.regularization import prune_train
from kprune.callbacks.regularization.prune_train import sparse_channels

X, Y = examples(32, 6, 6, 2)


def data():
    return batched(X, Y)


def residual(optimizer=None, run_eagerly=True):
    """`a` and `c` make the same four channels; `b` has four of its own. To
    trace a step takes longer than to make four."""
    inputs = keras.Input((6, 6, 2))
    x = keras.layers.Conv2D(4, 3, padding="same", name="a")(inputs)
    branch = keras.layers.Conv2D(4, 3, padding="same", name="b")(x)
    branch = keras.layers.BatchNormalization(name="bn")(branch)
    branch = keras.layers.ReLU(name="relu")(branch)
    branch = keras.layers.Conv2D(4, 3, padding="same", name="c")(branch)
    x = keras.layers.Add(name="add")([x, branch])
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    model = keras.Model(inputs, keras.layers.Dense(3, name="fc")(x))
    optimizer = optimizer or keras.optimizers.SGD(0.05, momentum=0.9)
    model.compile(optimizer, CE, metrics=["accuracy"], run_eagerly=run_eagerly)
    return model


def silence(model, channels):
    """Makes the entries of channels of layers small, by (layer, axis)."""
    for (name, axis), numbers in channels.items():
        kernel = model.get_layer(name).kernel
        value = kernel.numpy()
        view = np.moveaxis(value, axis, 0)
        view[list(numbers)] = 1e-6
        kernel.assign(value)


class Still(keras.callbacks.Callback):
    """A training that changes nothing."""

    def on_train_begin(self, logs=None):
        self.model.optimizer.learning_rate = 0.0


def pruned_at_rest(model, epochs=1, **options):
    """Returns the smaller model and the history of a training at rate 0."""
    options |= {"callbacks": [Still()], "verbose": 0}
    return prune_train(model, data(), epochs, **options)


def test_tied_channels_go_only_if_sparse_in_every_member():
    model = residual()
    # Channel 1 is small wherever it is made and read; 2 but for `c`, which
    # adds to it; 3 but for `fc`, which reads it.
    silence(
        model,
        {
            ("a", 3): [1, 2, 3],
            ("b", 2): [1, 2, 3],
            ("c", 3): [1, 3],
            ("fc", 0): [1, 2],
            ("b", 3): [0],  # Of the channels within: `c` reads it, at first.
        },
    )
    assert sparse_channels(model, 1e-4).sum() == 1
    silence(model, {("c", 2): [0]})
    assert sparse_channels(model, 1e-4).sum() == 2
    small, history = pruned_at_rest(model, ratio=1e-6, threshold=1e-4)
    assert small is not model
    assert small.get_layer("a").filters == 3
    assert small.get_layer("b").filters == 3
    assert small.get_layer("c").kernel.shape == (3, 3, 3, 3)
    assert history["parameters"] == [small.count_params()]
    # What went was 1e-6, so that even the dense outputs are near.
    np.testing.assert_allclose(small(X), model(X), atol=1e-4)


def test_the_last_channel_stays():
    model = residual()
    silence(model, {("b", 3): range(4), ("c", 2): range(4)})
    largest = model.get_layer("b").kernel.numpy()
    largest[0, 0, 0, 2] = 2e-6
    model.get_layer("b").kernel.assign(largest)
    small, _ = pruned_at_rest(model)
    assert small.get_layer("b").filters == 1
    assert small.get_layer("b").kernel.numpy().max() == np.float32(2e-6)


def test_it_trains_on_smaller_with_state_and_schedule():
    rates = keras.optimizers.schedules.PiecewiseConstantDecay(
        [7, 11], [0.1, 0.05, 0.01]
    )
    seen = []

    class Rates(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            optimizer = self.model.optimizer
            seen.append((epoch, int(optimizer.iterations)))
            logs["rate"] = float(optimizer.learning_rate)

    optimizer = keras.optimizers.SGD(rates, momentum=0.9)
    model = residual(optimizer, run_eagerly=False)
    silence(model, {("b", 3): [0, 2], ("c", 2): [0, 2]})
    small, history = prune_train(
        model,
        data(),
        3,
        every=2,
        threshold=0.02,
        strength=0.02,
        callbacks=[Rates()],
        validation_data=data(),
        verbose=0,
    )
    # Four steps an epoch, counted on through the cut after epoch 2.
    assert seen == [(0, 4), (1, 8), (2, 12)]
    assert history["rate"] == pytest.approx([0.1, 0.05, 0.01])
    first, second, third = history["parameters"]
    assert first == model.count_params()
    assert small.count_params() == third <= second < first
    operations = history["multiply_adds"]
    assert operations[0] > operations[1] >= operations[2]
    assert len(history["val_accuracy"]) == len(history["group_lasso"]) == 3
    assert int(small.optimizer.iterations) == 12
    assert any(v.numpy().any() for v in small.optimizer.variables[2:])


def test_data_by_the_step_until_a_callback_ends_it():
    starts = []

    def train(step):
        starts.append(step)
        return data().repeat().skip(step % 4)

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 2

    _, history = prune_train(
        residual(),
        train,
        9,
        every=2,
        steps_per_epoch=2,
        callbacks=[Stop()],
        verbose=0,
    )
    # The first is for lambda.
    assert starts == [0, 0, 4]
    assert len(history["loss"]) == len(history["parameters"]) == 3


def test_lambda_is_that_of_the_first_batch():
    model = residual()
    _, history = pruned_at_rest(model, 2, every=1)
    first = CE(Y[:8], model(X[:8], training=True)).numpy()
    # The penalty was a fifth of the whole, and stays that.
    expected = [first / 4] * 2
    np.testing.assert_allclose(history["group_lasso"], expected, rtol=1e-3)
    # 36 places times 9 of a window, and the dense layer.
    convolutions = 36 * 9 * (2 * 4 + 4 * 4 + 4 * 4)
    assert history["multiply_adds"] == [convolutions + 4 * 3] * 2
    assert history["parameters"] == [model.count_params()] * 2


@pytest.mark.parametrize(
    "options, words",
    [
        ({"train": X}, "`train` .*Received: ndarray"),
        ({"train": lambda step: data()}, "`steps_per_epoch`"),
        ({"epochs": 0}, "`epochs`"),
        ({"every": 1.5}, "`every`"),
        ({"threshold": 0}, "`threshold`"),
        ({"ratio": 2}, "`ratio`"),
        ({"batch_multiple": 0}, "`batch_multiple`"),
    ],
)
def test_what_does_not_fit_is_refused(options, words):
    options = {"train": data(), "epochs": 1, **options}
    with pytest.raises(ValueError, match=words):
        prune_train(residual(), **options)


def test_a_model_that_is_not_compiled_is_refused():
    model = kprune.models.resnet_cifar(8, input_shape=(6, 6, 2))
    with pytest.raises(ValueError, match="not compiled"):
        prune_train(model, data(), 1)


def test_a_model_with_masks_is_refused():
    pruned = kprune.prune(residual(), "random", 0.5)
    with pytest.raises(ValueError, match=r"has masks.*`kprune\.strip`"):
        prune_train(pruned, data(), 1)


@pytest.mark.slow
def test_replicas():
    with kprune.training.strategy("mirrored").scope():
        model = residual()
    silence(model, {("b", 3): [0, 2], ("c", 2): [0, 2]})
    small, history = prune_train(
        model, data(), 2, every=1, threshold=0.02, verbose=0
    )
    assert small.get_layer("b").filters == 2
    assert small.distribute_strategy.num_replicas_in_sync == 2
    assert len(history["loss"]) == 2


@pytest.mark.slow
def test_a_network_shrinks_on_digits():
    # A penalty so strong that channels go within 540 steps, which costs
    # accuracy; at chance it would be 0.1.
    train, test = kprune.datasets.load("digits", batch_size=32)
    model = kprune.models.resnet_cifar(8, input_shape=(8, 8, 1), seed=0)
    before = model.count_params()
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
    model.compile(optimizer, CE, metrics=["accuracy"])
    small, history = prune_train(
        model, train, 12, every=4, threshold=2e-2, strength=0.02, verbose=0
    )
    assert small.count_params() < 0.8 * before
    assert history["parameters"][2] == before
    assert history["parameters"][3] > history["parameters"][7]
    assert small.evaluate(test, verbose=0)[1] > 0.4
