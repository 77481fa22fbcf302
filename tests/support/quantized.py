"""What Keras' quantization is given, and what its layers compute with."""

import math

import keras
import numpy as np


def calibrated(kind, **options):
    """Returns a config of Keras' that reads eight sequences of eight words.

    Args:
        kind: `"GPTQConfig"` or `"AWQConfig"`.
        **options: Of the config.
    """
    words = np.random.default_rng(0).integers(1, 20, (8, 8)).astype("int32")
    data = {"dataset": list(words), "tokenizer": lambda words: words}
    sizes = {"num_samples": 8, "sequence_length": 8, "group_size": 8}
    return getattr(keras.quantizers, kind)(**data, **{**sizes, **options})


def computed(layer, shape):
    """Returns the kernel of a shape that a layer computes with, by what it
    gives. Its activation and bias are lost."""
    layer.activation = keras.activations.linear
    if layer.bias is not None:
        layer.bias.assign(np.zeros(layer.bias.shape))
    equation = getattr(layer, "equation", "ab,bc->ac")
    given, kernel, out = equation.replace("->", ",").split(",")
    inner = [c for c in given if c in kernel]
    *before, _ = [c for c in given if c not in kernel]
    sizes = [shape[kernel.index(c)] for c in inner]
    one_hot = np.eye(math.prod(sizes), dtype="float32")
    one_hot = one_hot.reshape(*(1 for _ in before), -1, *sizes)
    outputs = keras.ops.convert_to_numpy(layer(one_hot))
    rest = [c for c in out if c in kernel]
    outputs = outputs.reshape(*sizes, *(shape[kernel.index(c)] for c in rest))
    return np.einsum(f"{''.join([*inner, *rest])}->{kernel}", outputs)
