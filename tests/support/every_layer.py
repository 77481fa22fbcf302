"""A small model around each layer that `keras.layers` exports.

    model, x = every_layer.model("Conv2D")

A layer that a newer Keras adds is in `NAMES` too. If it takes arguments or
inputs that are not told here, `model` says so.
"""

import inspect

import keras
import numpy as np
import tensorflow as tf
from keras import layers

# What stands for others, holds a file, or is of another backend.
_NONE = {
    "FlaxLayer",
    "InputLayer",
    "JaxLayer",
    "Layer",
    "Pipeline",
    "TFSMLayer",
    "TorchModuleWrapper",
    "Wrapper",
}
NAMES = [
    name
    for name, cls in sorted(vars(layers).items())
    if inspect.isclass(cls)
    and issubclass(cls, keras.Layer)
    and name not in _NONE
    and name == cls.__name__
]
_OF_A_FACTOR = [
    name
    for name in NAMES
    if name.startswith("Random")
    and "factor" in inspect.signature(getattr(layers, name)).parameters
]
_KERNEL = {f"Conv{n}D{t}" for n in "123" for t in ("", "Transpose")}
_ARGUMENTS = {
    **dict.fromkeys(_OF_A_FACTOR, (0.2,)),
    **dict.fromkeys((n for n in NAMES if n.startswith("Adaptive")), (2,)),
    **dict.fromkeys((n for n in NAMES if n.startswith("AveragePool")), (2,)),
    **dict.fromkeys((n for n in NAMES if n.startswith("Spatial")), (0.5,)),
    "Activation": ("relu",),
    "Dot": (1,),
    "MelSpectrogram": (16, 8, 16),
    "RandomPosterization": (4,),
    "RandomTranslation": (0.2, 0.2),
    "RandomZoom": (0.2,),
    "STFTSpectrogram": ("log", 4, 2, 4),
    **dict.fromkeys(_KERNEL, (3, 2)),
    "SeparableConv1D": (3, 2),
    "SeparableConv2D": (3, 2),
    "DepthwiseConv1D": (2,),
    "DepthwiseConv2D": (2,),
    **{f"ConvLSTM{n}D": (3, 2) for n in "123"},
    **dict.fromkeys(("Dense", "GRU", "LSTM", "SimpleRNN"), (3,)),
    "Bidirectional": lambda: [layers.GRU(3)],
    "CategoryEncoding": (9,),
    "CenterCrop": (4, 4),
    "Discretization": lambda: [None, 4],
    "Dropout": (0.5,),
    "EinsumDense": ("ab,bc->ac", 3),
    "Embedding": (9, 3),
    "GaussianDropout": (0.5,),
    "AlphaDropout": (0.5,),
    "GaussianNoise": (0.5,),
    "GroupQueryAttention": (4, 2, 1),
    "GroupNormalization": (2,),
    "HashedCrossing": (9,),
    "Hashing": (9,),
    "Lambda": lambda: [keras.ops.square],
    "MultiHeadAttention": (2, 4),
    "MaxNumBoundingBoxes": (2,),
    "Permute": ((1,),),
    "RNN": lambda: [layers.LSTMCell(3)],
    "GRUCell": (3,),
    "LSTMCell": (3,),
    "SimpleRNNCell": (3,),
    "StackedRNNCells": lambda: [[layers.GRUCell(3), layers.LSTMCell(3)]],
    "RandomCrop": (6, 6),
    "RepeatVector": (2,),
    "Reshape": ((2, 2),),
    "Resizing": (4, 4),
    "Rescaling": (0.5,),
    "ReversibleEmbedding": (9, 3),
    "SpectralNormalization": lambda: [layers.Dense(3)],
    "TextVectorization": (None, "lower", "whitespace", None, "int", 4),
    "TimeDistributed": lambda: [layers.Dense(3)],
}
_STRINGS = {"StringLookup", "TextVectorization", "Hashing", "HashedCrossing"}
_INTEGERS = {
    "CategoryEncoding",
    "Embedding",
    "IntegerLookup",
    "ReversibleEmbedding",
}
_IMAGE = (6, 6, 3)
_SHAPES = [
    (4,),
    (6, 4),
    _IMAGE,
    (6, 6, 6, 4),
    (2, 6, 6, 6, 4),
    (32,),
]


def _layer(name):
    given = _ARGUMENTS.get(name, ())
    layer = getattr(layers, name)(*(given() if callable(given) else given))
    return layers.RNN(layer) if name.endswith(("Cell", "Cells")) else layer


def _inputs(name, shape):
    rng = np.random.default_rng(0)
    if name in _STRINGS:
        return np.array([["a"], ["b c"], ["d"], ["never seen"]])
    if name in _INTEGERS:
        return rng.integers(1, 9, (4, 1)).astype("int32")
    return rng.uniform(0.1, 1, (4, *shape)).astype("float32")


def _connected(name, x):
    """Returns inputs of one example's shapes, and what the layer gives."""
    inputs = keras.Input(
        x.shape[1:], dtype=str(x.dtype).replace("<U10", "string")
    )
    failed = []
    for given in ((inputs,), ([inputs, inputs],), (inputs, inputs)):
        layer = _layer(name)
        if hasattr(layer, "adapt"):
            layer.adapt(x)
        try:
            return inputs, layer(*given)
        except Exception as error:
            failed.append(error)
    raise failed[0]


def model(name):
    """Returns a model that holds the layer, with values of no initializer, and
    a batch of its inputs.

    Args:
        name: One of `NAMES`.
    """
    failed = None
    images = hasattr(getattr(layers, name), "transform_images")
    for shape in [_IMAGE] if images else _SHAPES:
        x = _inputs(name, shape)
        try:
            inputs, outputs = _connected(name, x)
            flat = layers.Flatten()(keras.tree.flatten(outputs)[0])
            flat = keras.ops.cast(flat, "float32")
            found = keras.Model(inputs, layers.Dense(2, name="head")(flat))
            _draw(found)
            x = tf.constant(x)
            found(x)
            return found, x
        except Exception as error:
            failed = failed or error
    raise AssertionError(
        f"What does keras.layers.{name} take? Tell it in {__name__}: {failed}"
    )


def _draw(model):
    """Gives all variables values that they do not begin with."""
    rng = np.random.default_rng(1)
    adapted = {
        id(v)
        for layer in model.layers
        if hasattr(layer, "adapt")
        for v in layer.variables
    }
    for variable in model.variables:
        wide = keras.backend.is_float_dtype(variable.dtype)
        if wide and id(variable) not in adapted:
            variable.assign(rng.uniform(0.1, 1, variable.shape))
