"""The networks that are deployed, and the digits that they are trained on.

A network at its initial weights may hardly depend on its inputs, once batch
norm has statistics that are not its own. A few steps make it depend on them.
"""

import dataclasses
import functools

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import kprune
from kprune.masking import made_up
from kprune.runtime import keras_internals

HELD_OUT = 32  # Images that errors are measured on, and nothing else.
_MOMENTUM = 0.8  # Of batch norm: so many steps are few.
_LEAST_SPREAD = 0.1


def mobilenet_v2():
    """Keras' own, for images of 96 pixels."""
    return keras.applications.MobileNetV2(
        (96, 96, 3), weights=None, classes=10, classifier_activation=None
    )


def lstm():
    """Two recurrent layers, which read an image row by row."""
    rows = keras.Input((28, 28))
    x = layers.LSTM(64, return_sequences=True)(rows)
    return keras.Model(rows, layers.Dense(10)(layers.LSTM(64)(x)))


def transformer():
    """Two blocks of attention over the rows of an image."""
    rows = keras.Input((28, 28))
    x = layers.Dense(64)(rows)
    for _ in range(2):
        attended = layers.MultiHeadAttention(4, 16)(x, x)
        x = layers.LayerNormalization()(x + attended)
        wide = layers.Dense(128, "gelu")(x)
        x = layers.LayerNormalization()(x + layers.Dense(64)(wide))
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(rows, layers.Dense(10)(x))


@dataclasses.dataclass(frozen=True)
class Network:
    """A network of the matrix.

    Attributes:
        title: What a table calls it.
        shape: Shape of an input: (height, width, channels), or (height, width)
            of images that are read row by row.
        build: Function that returns it, not trained.
    """

    title: str
    shape: tuple
    build: object


def _own(name):
    return functools.partial(kprune.models.get, name, classes=10)


NETWORKS = {
    "mlp": Network("784-300-100-10", (28, 28, 1), _own("lenet_300_100")),
    "lenet5": Network("LeNet-5", (28, 28, 1), _own("lenet5")),
    "resnet20": Network("ResNet-20", (32, 32, 3), _own("resnet20")),
    "mobilenet_v2": Network("MobileNetV2", (96, 96, 3), mobilenet_v2),
    "lstm": Network("Two LSTM layers", (28, 28), lstm),
    "transformer": Network("Transformer", (28, 28), transformer),
}


def build(name, seed):
    """Returns a network that is not trained."""
    keras.utils.set_random_seed(seed)
    model = NETWORKS[name].build()
    for layer in keras_internals.all_layers(model):
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = _MOMENTUM
    return model


def digits(shape, count):
    """Returns (x, y) to train on, and x that is held out.

    Args:
        shape: As that of a `Network`.
        count: Integer, how many images to train on.
    """
    (x, y), (held_out, _) = kprune.datasets.load_arrays("digits")
    found = [_fitted(a, shape) for a in (x[:count], held_out[:HELD_OUT])]
    return (found[0], y[:count]), found[1]


def _fitted(images, shape):
    """Returns images of one channel in another size."""
    x = tf.image.resize(images, shape[:2]).numpy()
    return np.repeat(x, shape[2], -1) if shape[2:] else x[..., 0]


def train(model, data, epochs, seed):
    """Trains a model in place, for a few steps."""
    keras.utils.set_random_seed(seed)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss)
    model.fit(*data, 32, epochs, verbose=0)


def check_spread(name, model, x):
    """Returns how far the outputs for different inputs are apart, as a share of
    the largest, or raises `RuntimeError` if that is next to nothing: comparing
    such outputs would say little of a file."""
    outputs = made_up.outputs(model, [x])
    spread = made_up.difference(
        outputs, [np.roll(y, 1, 0) for y in outputs], 1.0
    )
    if not (spread >= _LEAST_SPREAD):
        raise RuntimeError(
            f"The outputs of {name} hardly depend on its inputs: they are "
            f"{spread:.2g} of the largest apart. Expected {_LEAST_SPREAD} or "
            "more: train for more `--epochs`."
        )
    return spread
