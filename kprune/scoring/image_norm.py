"""Batch normalization of images in few operations.

Stock Keras takes five operations forward and some fifteen backward, each of
which passes over the whole tensor, and second derivatives as many again. This
module uses TensorFlow's fused operation, its gradient, and the derivatives of
that gradient in closed form.
"""

import keras
import tensorflow as tf

_OVER = [0, 1, 2]


def fits(layer, inputs):
    """Returns whether `normalized` computes what a layer does in training:
    plain batch normalization of float32 images, local to the device."""
    return (
        type(layer) is keras.layers.BatchNormalization
        and layer.trainable
        and not layer.synchronized
        and not getattr(layer, "renorm", False)  # Keras has it from 3.15 on.
        and layer.compute_dtype == "float32"
        and keras.backend.standardize_dtype(inputs.dtype) == "float32"
        and len(inputs.shape) == 4
        and layer.axis in (3, -1)
    )


def normalized(layer, x):
    """Computes a layer's training output; keeps its moving statistics."""
    channels = x.shape[-1:]
    gamma = layer.gamma.value if layer.scale else tf.ones(channels)
    beta = layer.beta.value if layer.center else tf.zeros(channels)
    gamma, beta = tf.convert_to_tensor(gamma), tf.convert_to_tensor(beta)
    return _normalized(x, gamma, beta, layer.epsilon)


def _normalized(x, gamma, beta, epsilon):
    """Runs the fused operation with this module's derivatives.

    TensorFlow never frees a custom gradient used in a graph, nor that graph.
    So graphs use gradients that are registered once.
    """
    if not tf.executing_eagerly():
        with _deriving("FusedBatchNormV3", "KpruneImageNorm"):
            return _forth(x, gamma, beta, epsilon).y

    @tf.custom_gradient
    def forth(x, gamma, beta):
        found = _forth(x, gamma, beta, epsilon)
        return found.y, lambda dy: _eager_back(dy, x, gamma, found[3:], epsilon)

    return forth(x, gamma, beta)


def _eager_back(dy, x, gamma, kept, epsilon):
    @tf.custom_gradient
    def back(dy, x, gamma):
        found = _back(dy, x, gamma, kept, epsilon)
        return found, lambda *given: _twice(*given, dy, x, gamma, epsilon)

    return back(dy, x, gamma)


@tf.RegisterGradient("KpruneImageNorm")
def _of_forth(op, dy, *_):
    (x, gamma), kept = op.inputs[:2], op.outputs[3:]
    with _deriving("FusedBatchNormGradV3", "KpruneImageNormAgain"):
        found = _back(dy, x, gamma, kept, op.get_attr("epsilon"))
    return [*found, None, None]


@tf.RegisterGradient("KpruneImageNormAgain")
def _of_back(op, v, a, b, *_):
    dy, x, gamma = op.inputs[:3]
    found = _twice(v, a, b, dy, x, gamma, op.get_attr("epsilon"))
    return [*found, None, None, None]


def _deriving(operation, name):
    graph = tf.compat.v1.get_default_graph()
    return graph.gradient_override_map({operation: name})


def _forth(x, gamma, beta, epsilon):
    return tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=gamma,
        offset=beta,
        mean=tf.zeros([0]),
        variance=tf.zeros([0]),
        epsilon=epsilon,
        is_training=True,
    )


def _back(dy, x, gamma, kept, epsilon):
    """Returns the derivatives by x, gamma and beta, given that by y and what
    the fused operation reserved for its gradient."""
    found = tf.raw_ops.FusedBatchNormGradV3(
        y_backprop=dy,
        x=x,
        scale=gamma,
        reserve_space_1=kept[0],
        reserve_space_2=kept[1],
        reserve_space_3=kept[2],
        epsilon=epsilon,
        is_training=True,
    )
    return found[:3]


def _twice(v, a, b, dy, x, gamma, epsilon):
    """Returns the derivatives by dy, x and gamma, given those by the outputs of
    `_back`.

    With z = (x - mean) / sd, dx = gamma / sd (dy - E dy - z E[dy z]), d gamma
    is the sum of dy z and d beta that of dy. Per channel, everything reduces to
    scalars times v, dy and x.
    """
    mean = tf.reduce_mean(x, _OVER)
    z = x - mean
    scale = tf.math.rsqrt(tf.reduce_mean(tf.square(z), _OVER) + epsilon)
    of_v, of_dy = tf.reduce_mean(v, _OVER), tf.reduce_mean(dy, _OVER)
    v_z = scale * tf.reduce_mean(v * z, _OVER)
    dy_z = scale * tf.reduce_mean(dy * z, _OVER)
    between = tf.reduce_mean(v * dy, _OVER) - of_v * of_dy
    count = tf.cast(tf.size(x) / tf.size(mean), x.dtype)
    size = gamma * scale
    by_dy = size * v + ((a - size * v_z) * scale) * z + (b - size * of_v)
    by_z = size * scale * (3 * v_z * dy_z - between) - a * scale * dy_z
    by_x = (
        (-size * scale * dy_z) * v
        + (a * scale - size * scale * v_z) * dy
        + (by_z * scale) * z
        + scale * (size * (of_v * dy_z + of_dy * v_z) - a * of_dy)
    )
    return by_dy, by_x, count * scale * (between - v_z * dy_z)
