"""Makes second derivatives exact while scores are computed.

Stock TensorFlow computes the variance in `tf.nn.moments` around
`stop_gradient(mean)`. First derivatives stay right, but second derivatives
are wrong, and Keras' BatchNormalization (training mode), LayerNormalization
and GroupNormalization all use it. So a Hessian-vector product through stock
Keras is wrong, and so are GraSP and its relatives. While `scoring` is active,
moments keep the mean's gradient.

The same context chooses the statistics of batch normalization independently
of the `training` argument, which also switches dropout, and keeps Keras from
dividing losses by the number of replicas: kprune weighs each replica by the
size of its share.

All three are monkey patches that act only in threads that are scoring.
"""

import contextlib
from typing import Any

import keras
import tensorflow as tf

from kprune.runtime import keras_internals
from kprune.runtime.thread_patches import ThreadPatches
from kprune.scoring import image_norm

_stock: dict[str, Any] = {}


@contextlib.contextmanager
def scoring(batch_statistics, updates=True):
    """Makes second derivatives exact and fixes batch normalization's mode.

    Args:
        batch_statistics: Whether BatchNormalization layers that are not
            frozen normalize with the batch's statistics (as in training) or
            with the moving ones.
        updates: Whether to update the moving statistics. If not, a fused
            operation replaces many.
    """
    with _patches.within((bool(batch_statistics), updates)):
        yield


def _put_on():
    _stock["moments"] = tf.nn.moments
    _stock["call"] = keras.layers.BatchNormalization.call
    tf.nn.moments = _moments
    keras.layers.BatchNormalization.call = _batch_normalization_call
    _stock["scale"] = keras_internals.set_loss_scaling(_scale)


def _take_off():
    tf.nn.moments = _stock["moments"]
    keras.layers.BatchNormalization.call = _stock["call"]
    keras_internals.set_loss_scaling(_stock["scale"])


_patches = ThreadPatches(_put_on, _take_off)


def _moments(x, axes, shift=None, keepdims=False, name=None):
    if _patches.value is None:
        return _stock["moments"](x, axes, shift, keepdims, name)
    half = x.dtype in (tf.float16, tf.bfloat16)
    y = tf.cast(x, tf.float32) if half else x
    mean = tf.reduce_mean(y, axes, keepdims=True)
    variance = tf.reduce_mean(
        tf.math.squared_difference(y, mean), axes, keepdims=True
    )
    if not keepdims:
        mean, variance = tf.squeeze(mean, axes), tf.squeeze(variance, axes)
    return tf.cast(mean, x.dtype), tf.cast(variance, x.dtype)


def _batch_normalization_call(self, inputs, training=None, mask=None):
    if _patches.value is not None:
        training, updates = _patches.value
        free = training and not updates and mask is None
        if free and image_norm.fits(self, inputs):
            return image_norm.normalized(self, inputs)
    return _stock["call"](self, inputs, training=training, mask=mask)


def _scale(value):
    if _patches.value is None:
        return _stock["scale"](value)
    return value
