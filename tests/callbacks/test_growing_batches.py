"""PruneTrain's growing batches: memory by hand, and a training with them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import CE, batched, examples, sequential

from kprune.callbacks.regularization import prune_train
from kprune.callbacks.regularization.growing_batches import (
    GrowingBatches,
    growing_batches,
    layer_outputs,
)


def net(units=8, rate=0.5):
    dense = keras.layers.Dense
    model = sequential((4,), dense(units, name="a"), dense(3, name="fc"))
    model.compile(keras.optimizers.SGD(rate), CE, run_eagerly=True)
    return model


def test_sizes_and_rates_by_hand():
    batches = GrowingBatches(net(), 10, multiple=8)
    # 67 parameters twice, two numbers of SGD, and ten times 8 + 3 outputs.
    assert layer_outputs(net()) == 11
    assert batches._floats == 2 * 67 + 2 + 110
    # Of 246, 35 parameters leave 174 for 7 outputs of an example: 24.9.
    small = net(units=4)
    small.optimizer.build(small.trainable_variables)
    batches.grow(small)
    assert batches.size == 24
    assert float(small.optimizer.learning_rate) == pytest.approx(1.2)
    # And none of it comes back.
    batches.grow(net())
    assert batches.size == 24


def test_batches_do_not_shrink_to_a_multiple():
    model = net()
    batches = GrowingBatches(model, 10, multiple=8)
    batches.grow(model)
    assert batches.size == 10
    assert float(model.optimizer.learning_rate) == pytest.approx(0.5)


def test_data_in_larger_batches():
    data = tf.data.Dataset.range(24).batch(4)
    batches = growing_batches(net(), data, 1)
    assert batches.size == 4
    assert batches.rebatch(data, 6) == (data, 6)
    batches.size = 10
    larger, steps = batches.rebatch(data, 6)
    assert [len(batch) for batch in larger] == [10, 10, 4]
    assert np.concatenate(list(larger)).tolist() == list(range(24))
    assert steps == 3  # 24 examples.
    known, none = batches.rebatch(data, None)
    assert (int(known.cardinality()), none) == (3, None)
    assert growing_batches(net(), data, None) is None


def test_a_training_whose_batches_grow():
    x, y = examples(32, 4)
    model, sizes = net(rate=0.0), []
    kernel = model.get_layer("a").kernel
    value = kernel.numpy()
    value[:, :4] = 1e-6  # What goes before the second epoch.
    kernel.assign(value)
    reads = model.get_layer("fc").kernel
    reads.assign(np.where(np.arange(8)[:, None] < 4, 1e-6, reads))

    class Sizes(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            sizes.append(batch)

    small, history = prune_train(
        *(model, batched(x, y, 8), 2),
        **{"every": 1, "batch_multiple": 1, "verbose": 0},
        callbacks=[Sizes()],
    )
    assert small.get_layer("a").units == 4
    # 224 floats at first; (224 - 72) / 7 = 21.7 examples then.
    assert history["batch_size"] == [8, 21]
    assert sizes == [0, 1, 2, 3, 0, 1]


def test_a_schedule_is_refused():
    rates = keras.optimizers.schedules.CosineDecay(0.1, 10)
    with pytest.raises(ValueError, match=r"a number.*Received: CosineDecay"):
        GrowingBatches(net(rate=rates), 8, 1)


def test_open_shapes_are_refused():
    inputs = keras.Input((None, 4))
    model = keras.Model(inputs, keras.layers.Dense(3, name="fc")(inputs))
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"known shapes.*'fc'"):
        GrowingBatches(model, 8, 1)
