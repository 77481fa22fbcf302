"""The losses, small models and data that all tests share.

    from networks import CE, batched, dense_net, examples, sequential

| name | what it is |
|---|---|
| `CE`, `MSE` | losses: sparse crossentropy of logits, mean squared error |
| `sequential((4,), Dense(2), ...)` | `seed=`, `values=`, and `compile`'s |
| `dense_net()` | "a/kernel" (8, 16), "b/kernel" (16, 3); dropout, batch norm |
| `conv_net()` | "conv/kernel" (3, 3, 2, 4), "fc1/kernel", "fc2/kernel" |
| `examples(32, 8)` | x (32, 8) from N(0, 1), y of three classes |
| `batched(x, y)` | a Dataset of batches of 8, shuffled with `shuffle=` |
| `two_replicas()` | a strategy on the two CPUs that `conftest.py` makes |

A callback's contract (resume, replicas, save and load) is
tests/callbacks/test_contract.py; `interruption.assert_resumes` kills a fit.
"""

import keras
import numpy as np
import tensorflow as tf

CE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
MSE = keras.losses.MeanSquaredError()


def sequential(shape, *layers, seed=None, values=None, name=None, **compiled):
    """Returns a Sequential of layers.

    Args:
        shape: Shape of an input, without the batch.
        *layers: Layers of Keras.
        seed: Integer, seed of the initial weights.
        values: List of arrays, the weights.
        name: Name of the model.
        **compiled: Arguments of `compile`; none leave it uncompiled.
    """
    if seed is not None:
        # An initializer takes its seed when it is made: make it after this.
        keras.utils.set_random_seed(seed)
        layers = [type(x).from_config(x.get_config()) for x in layers]
    model = keras.Sequential([keras.Input(shape), *layers], name=name)
    if values is not None:
        model.set_weights([np.asarray(value) for value in values])
    if compiled:
        model.compile(**compiled)
    return model


def dense_net(inputs=8, units=16, classes=3, dropout=0.3, norm=True, seed=1):
    """Two dense layers, `a` and `b`, with all that a step changes."""
    layers = [
        keras.layers.Dense(units, use_bias=not norm, name="a"),
        *([keras.layers.BatchNormalization(name="norm")] if norm else []),
        keras.layers.ReLU(name="relu"),
        *([keras.layers.Dropout(dropout, name="drop")] if dropout else []),
        keras.layers.Dense(classes, name="b"),
    ]
    return sequential((inputs,), *layers, seed=seed, name="net")


def conv_net(shape=(6, 6, 2), filters=4, units=8, classes=3, norm=True, seed=1):
    """A convolution `conv` and two dense layers, `fc1` and `fc2`."""
    layers = [
        keras.layers.Conv2D(filters, 3, use_bias=not norm, name="conv"),
        *([keras.layers.BatchNormalization(name="norm")] if norm else []),
        keras.layers.ReLU(name="relu"),
        keras.layers.Flatten(name="flat"),
        keras.layers.Dense(units, activation="relu", name="fc1"),
        keras.layers.Dense(classes, name="fc2"),
    ]
    return sequential(shape, *layers, seed=seed, name="net")


def examples(count, *shape, classes=3, seed=0):
    """Returns inputs of N(0, 1), float32, and labels drawn after them."""
    draws = np.random.default_rng(seed)
    x = draws.normal(size=(count, *shape)).astype("float32")
    return x, draws.integers(0, classes, count)


def batched(x, y, size=8, shuffle=None):
    """Returns a Dataset; `shuffle` is the seed of its order, or None."""
    arrays = tf.data.Dataset.from_tensor_slices((x, y))
    if shuffle is not None:
        arrays = arrays.shuffle(len(x), seed=shuffle)
    return arrays.batch(size)


def two_replicas():
    """Two replicas, whose sums are the same in every run."""
    return tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"],
        cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )
