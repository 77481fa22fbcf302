"""Counts paths: what `connections` does, with nothing clipped.

Pooling adds its window up. The sum of the outputs is then the number of paths.
"""

import functools

import keras
import numpy as np
import tensorflow as tf

from kprune.graph.paths import connections
from kprune.runtime import keras_internals


def of(layer):
    """Returns a call in place of the layer's own that counts paths, or `None`
    for an unknown class. The layer loses its activation."""
    rule = connections.rule_of(layer)
    rule = _COUNTING.get(rule, rule)
    return None if rule is None else rule(layer)


def _weighted_count(layer):
    keras_internals.make_linear(layer)
    call = connections.with_channels_last(layer, layer.call)
    return lambda inputs, **options: call(inputs)


def _embedding_count(layer):
    def call(inputs):
        unit = tf.reduce_sum(tf.convert_to_tensor(layer.embeddings), axis=0)
        return tf.cast(tf.equal(inputs, inputs), unit.dtype)[..., None] * unit

    return call


def _pooling_count(layer):
    last = layer.data_format == "channels_last"  # `mean` may change it.
    mean = connections.pooling(layer)

    def call(inputs):
        places = inputs.shape[1:-1] if last else inputs.shape[2:]
        windows = zip(places, layer.pool_size, layer.strides, strict=True)
        parts = [_covered(*one, layer.padding) for one in windows]
        covered = functools.reduce(np.multiply.outer, parts)
        covered = covered[..., None] if last else covered[None]
        return mean(inputs) * keras.ops.cast(covered[None], inputs.dtype)

    return call


def _covered(size, width, stride, padding):
    """Returns how many of `size` places each window of an axis covers."""
    if padding == "valid":
        return np.full((size - width) // stride + 1, width)
    count = -(-size // stride)
    begins = np.arange(count) * stride
    begins -= max((count - 1) * stride + width - size, 0) // 2
    return np.minimum(begins + width, size) - np.maximum(begins, 0)


def _global_pooling_count(layer):
    def call(inputs, **options):
        del options  # A mask hides no path.
        axes = list(range(1, len(inputs.shape)))
        axes.pop(-1 if layer.data_format == "channels_last" else 0)
        return keras.ops.sum(inputs, axes, keepdims=layer.keepdims)

    return call


_COUNTING = {
    connections.weighted: _weighted_count,
    connections.embedding: _embedding_count,
    connections.pooling: _pooling_count,
    connections.global_pooling: _global_pooling_count,
    connections.averaging: _global_pooling_count,
}
