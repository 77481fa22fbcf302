"""Counts the paths through layers of known classes.

An input of a layer is one where a path from the model's inputs arrives, else
zero. With every kept entry of a weight at one and every bias at zero, a layer
with weights counts the paths that arrive at each of its outputs, and its
gradient counts the paths that continue from each of its inputs. All counts are
clipped to one, so that they do not overflow in a deep model.

Layers without weights pass their inputs on: activations, normalization (the
mean and variance of a layer normalization connect units, but not by a path),
products with a gate.
"""

import itertools

import keras
import tensorflow as tf

from kprune.runtime import keras_internals

layers = keras.layers


def of(layer):
    """Returns a call in place of the layer's own that only carries paths.

    It is `None` for an unknown class, subclasses of known ones included, since
    they may compute something else. The layer must belong to a private copy:
    it loses its activation.
    """
    rule = rule_of(layer)
    return None if rule is None else rule(layer)


def is_known(layer):
    """Returns whether a layer or operation carries paths that can be followed
    without a traced graph."""
    rule = rule_of(layer)
    if rule is _merging:
        return keras_internals.fed_arguments(layer) is not None
    return rule is not None


def rule_of(layer):
    """Returns the function that makes the call of a layer or operation, or
    `None` if its class is unknown."""
    if isinstance(layer, keras.layers.Layer):
        rules = (rule for classes, rule in _RULES if type(layer) in classes)
        return next(rules, None)
    # Keras does not export the classes of its operations.
    kind = type(layer).__name__
    if kind in _MERGING_OPERATIONS:
        return _merging
    return _unchanged if kind in _ACTIVATIONS else None


# Counts are whole numbers. A threshold of 0.5 ignores the rounding errors that
# convolutions by Winograd's algorithm or Fourier transforms leave at zeros.


def _entering(x):
    return _cut(x, 0, 0.5)


def _leaving(x):
    return _cut(x, 0.5, 0)


def _cut(x, least, least_on):
    """Returns 1 where `x > least`, else 0.

    Its gradient is 1 where the incoming gradient is more than `least_on`.
    """
    if tf.executing_eagerly():

        @tf.custom_gradient
        def cut(x):
            return _one(x > least), lambda ways_on: _one(ways_on > least_on)

        return cut(x)
    # TensorFlow keeps each custom gradient that it meets in a graph alive, and
    # the graph with it. In graphs, use gradients that are registered once.
    names = {"IdentityN": f"KpruneWaysOn{least_on}"}
    with tf.compat.v1.get_default_graph().gradient_override_map(names):
        found, _ = tf.raw_ops.IdentityN(input=[_one(x > least), x])
    return found


def _register(least_on):
    @tf.RegisterGradient(f"KpruneWaysOn{least_on}")
    def ways_on(op, gradient, _):
        del op
        return [None, _one(gradient > least_on)]


_register(0)
_register(0.5)


def _one(where):
    return tf.cast(where, tf.float32)


def weighted(layer):
    keras_internals.make_linear(layer)
    call = with_channels_last(layer, layer.call)
    return lambda inputs, **options: _leaving(call(_entering(inputs)))


def with_channels_last(layer, call):
    """Returns the call of a spatial layer with channels last: on a CPU,
    TensorFlow has no gradients of channels-first convolution and pooling."""
    if getattr(layer, "data_format", None) != "channels_first":
        return call
    layer.data_format = "channels_last"
    move = keras.ops.moveaxis
    return lambda inputs: move(call(move(inputs, 1, -1)), -1, 1)


def embedding(layer):
    def call(inputs):
        # Other ids may look up any row, so sum over all of them.
        unit = tf.reduce_sum(tf.convert_to_tensor(layer.embeddings), axis=0)
        ones = tf.cast(tf.equal(inputs, inputs), tf.float32)
        return _leaving(ones[..., tf.newaxis] * unit)

    return call


def _unchanged(layer):
    del layer
    return lambda inputs, *args, **options: inputs


def _as_it_is(layer):
    call = layer.call
    return lambda inputs, **options: call(inputs)  # A mask hides no path.


def averaging(layer):
    return _as_it_is(layer)


def _merging(layer):
    """Sums the inputs, also for a difference or product; constants, as in
    `x / 255`, carry no path."""
    known = keras_internals.fed_arguments(layer)

    def call(*inputs):
        flat = keras.tree.flatten(inputs)
        eager = tf.executing_eagerly()
        which = known if eager else map(tf.is_symbolic_tensor, flat)
        fed = list(itertools.compress(flat, which))
        return sum(fed[1:], start=fed[0])

    return call


def pooling(layer):
    """Replaces the maximum, whose gradient reaches one input only, by the
    mean."""

    def call(inputs):
        return keras.ops.average_pool(
            inputs,
            layer.pool_size,
            layer.strides,
            layer.padding,
            layer.data_format,
        )

    return with_channels_last(layer, call)


def global_pooling(layer):
    def call(inputs):
        axes = list(range(1, len(inputs.shape)))
        axes.pop(-1 if layer.data_format == "channels_last" else 0)
        return keras.ops.mean(inputs, axes, keepdims=layer.keepdims)

    return call


_RULES = (
    (
        (
            *(layers.Dense, layers.EinsumDense),
            *(layers.Conv1D, layers.Conv2D, layers.Conv3D),
            *(layers.Conv1DTranspose, layers.Conv2DTranspose),
            layers.Conv3DTranspose,
            *(layers.DepthwiseConv1D, layers.DepthwiseConv2D),
            *(layers.SeparableConv1D, layers.SeparableConv2D),
        ),
        weighted,
    ),
    ((layers.Embedding,), embedding),
    (
        (
            *(layers.Activation, layers.ReLU, layers.LeakyReLU, layers.PReLU),
            *(layers.ELU, layers.Softmax),
            *(layers.BatchNormalization, layers.LayerNormalization),
            *(layers.GroupNormalization, layers.RMSNormalization),
            *(layers.UnitNormalization, layers.Normalization),
            layers.Rescaling,
            *(layers.Dropout, layers.AlphaDropout, layers.GaussianDropout),
            *(layers.SpatialDropout1D, layers.SpatialDropout2D),
            *(layers.SpatialDropout3D, layers.GaussianNoise),
            *(layers.ActivityRegularization, layers.Identity, layers.Masking),
        ),
        _unchanged,
    ),
    (
        (
            *(layers.InputLayer, layers.Flatten, layers.Reshape),
            *(layers.Permute, layers.RepeatVector, layers.Concatenate),
            *(layers.ZeroPadding1D, layers.ZeroPadding2D),
            *(layers.ZeroPadding3D, layers.Cropping1D, layers.Cropping2D),
            *(layers.Cropping3D, layers.UpSampling1D, layers.UpSampling3D),
        ),
        _as_it_is,
    ),
    (
        (
            *(layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D),
            layers.GlobalAveragePooling3D,
        ),
        averaging,
    ),
    (
        (
            *(layers.Add, layers.Subtract, layers.Average, layers.Multiply),
            *(layers.Maximum, layers.Minimum),
        ),
        _merging,
    ),
    (
        (
            *(layers.MaxPooling1D, layers.AveragePooling1D),
            *(layers.MaxPooling2D, layers.AveragePooling2D),
            *(layers.MaxPooling3D, layers.AveragePooling3D),
        ),
        pooling,
    ),
    (
        (
            *(layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D),
            layers.GlobalMaxPooling3D,
        ),
        global_pooling,
    ),
)
_MERGING_OPERATIONS = (
    *("Add", "Subtract", "Multiply", "Divide", "TrueDivide"),
    *("Maximum", "Minimum"),
)
_ACTIVATIONS = (
    *("Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Gelu", "Silu", "Tanh"),
    *("Sigmoid", "HardSigmoid", "HardSilu", "Softplus", "Softmax"),
    "LogSoftmax",
)
