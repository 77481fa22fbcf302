"""Small models, one of each kind that converters treat in a way of its own.

    from exportable import MODELS, batch

`MODELS` is a dict of functions that build one; `batch(model, 5)` gives inputs.
"""

import keras
import numpy as np
from keras import layers
from networks import sequential

from kprune.runtime import keras_internals


def mlp():
    """Dense layers, with an exact GELU."""
    stack = layers.Dense(16, "gelu"), layers.Dense(9, "relu"), layers.Dense(3)
    return sequential((20,), *stack)


def cnn():
    """Convolutions that batch norm is folded into, and a depthwise one."""
    return sequential(
        (8, 8, 3),
        layers.Conv2D(8, 3, padding="same"),
        layers.BatchNormalization(
            gamma_initializer="random_normal", beta_initializer="ones"
        ),
        layers.ReLU(),
        layers.MaxPooling2D(),
        layers.DepthwiseConv2D(3),
        layers.Flatten(),
        layers.Dense(3),
    )


def augmented():
    """Images that are flipped at random, in training alone."""
    stack = layers.RandomFlip(), layers.Conv2D(4, 3), layers.Flatten()
    return sequential((8, 8, 3), *stack, layers.Dense(3))


def lstm():
    """Two recurrent layers for which ONNX has an operator."""
    first = layers.LSTM(5, return_sequences=True)
    return sequential((6, 4), first, layers.LSTM(5), layers.Dense(2))


def gru():
    """A recurrent layer of which a loop becomes."""
    return sequential((6, 4), layers.GRU(5), layers.Dense(2))


def transformer():
    """Attention, layer norm and a residual."""
    x = keras.Input((6, 8))
    h = layers.LayerNormalization()(layers.MultiHeadAttention(2, 4)(x, x) + x)
    h = layers.GlobalAveragePooling1D()(layers.Dense(8, "gelu")(h))
    return keras.Model(x, layers.Dense(2)(h))


def words():
    """An embedding of whole numbers."""
    x = keras.Input((6,), dtype="int32")
    h = layers.GlobalAveragePooling1D()(layers.Embedding(30, 8)(x))
    return keras.Model(x, layers.Dense(3)(h))


def two_inputs():
    """A dict in, whose order is not that of the alphabet, and a dict out."""
    a, b = (keras.Input((4,), name=name) for name in "ab")
    outputs = {"p": layers.Dense(2)(a), "q": layers.Dense(3)(b)}
    return keras.Model({"b": b, "a": a}, outputs)


_ALL = mlp, cnn, augmented, lstm, gru, transformer, words, two_inputs
MODELS = {build.__name__: build for build in _ALL}


def batch(model, size, seed=0):
    """Returns inputs as the model takes them, with NumPy arrays."""
    draws = np.random.default_rng(seed)

    def draw(x):
        shape = (size, *x.shape[1:])
        if x.dtype == "int32":
            return draws.integers(0, 30, shape, "int32")
        return draws.normal(size=shape).astype("float32")

    return keras.tree.map_structure(draw, keras_internals.input_specs(model))
