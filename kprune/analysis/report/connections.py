"""Counts the paths through layers of known classes.

Each input is one where a path from the model's inputs arrives, else zero. A
layer with weights then counts the paths that arrive at each of its outputs,
and its gradient the ways on from each of its inputs, if every kept entry of a
weight is one and every bias zero. All counts are cut to one, so that nothing
overflows, however deep the model.

What is no weight passes on what it gets: activations, normalization (what the
mean and variance of a layer normalization carry from one unit to another is
no path), products with a gate.
"""

import itertools

import keras
import tensorflow as tf

from kprune.runtime import keras_internals

layers = keras.layers


def of(layer):
    """Returns the call of a layer that carries paths, and nothing else, or
    `None` if its class is not known: a subclass may compute otherwise.

    The layer is of a copy that is ours alone, and loses its activation.
    """
    rule = _rule(layer)
    return None if rule is None else rule(layer)


def is_known(layer):
    """Whether a call of a layer or operation of a graph carries paths, and
    needs no traced graph to tell what comes from the inputs."""
    rule = _rule(layer)
    if rule is _merging:
        return keras_internals.fed_arguments(layer) is not None
    return rule is not None


def _rule(layer):
    """Returns the function from a layer or an operation to its call."""
    if isinstance(layer, keras.layers.Layer):
        rules = (rule for classes, rule in _RULES if type(layer) in classes)
        return next(rules, None)
    # Keras does not export the classes of its operations.
    kind = type(layer).__name__
    if kind in _MERGING_OPERATIONS:
        return _merging
    return _unchanged if kind in _ACTIVATIONS else None


# Counts are whole. Half of one keeps out what rounding leaves of zero in a
# convolution by Winograd's algorithm or by Fourier transforms.


def _entering(x):
    return _cut(x, 0, 0.5)


def _leaving(x):
    return _cut(x, 0.5, 0)


def _cut(x, least, least_on):
    """Returns where `x` is more than `least`, and where the ways on are more
    than `least_on` as its gradient."""
    if tf.executing_eagerly():

        @tf.custom_gradient
        def cut(x):
            return _one(x > least), lambda ways_on: _one(ways_on > least_on)

        return cut(x)
    # TensorFlow never forgets a custom gradient that it meets in a graph, nor
    # that graph: there, one that is registered once serves all.
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


def _weighted(layer):
    keras_internals.make_linear(layer)
    call = _with_channels_last(layer, layer.call)
    return lambda inputs, **options: _leaving(call(_entering(inputs)))


def _with_channels_last(layer, call):
    """Returns the call of a spatial layer that a CPU can compute: gradients of
    TensorFlow's convolutions and pooling lack channels that come first."""
    if getattr(layer, "data_format", None) != "channels_first":
        return call
    layer.data_format = "channels_last"
    move = keras.ops.moveaxis
    return lambda inputs: move(call(move(inputs, 1, -1)), -1, 1)


def _embedding(layer):
    def call(inputs):
        # Any row may be looked up, whatever the ids of this batch.
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


def _merging(layer):
    """All inputs go on, as in a sum: also those of a difference or product.
    Constants, as in `x / 255`, lead nowhere."""
    known = keras_internals.fed_arguments(layer)

    def call(*inputs):
        flat = keras.tree.flatten(inputs)
        eager = tf.executing_eagerly()
        which = known if eager else map(tf.is_symbolic_tensor, flat)
        fed = list(itertools.compress(flat, which))
        return sum(fed[1:], start=fed[0])

    return call


def _pooling(layer):
    """A maximum passes its gradient to one input, a mean to all."""

    def call(inputs):
        return keras.ops.average_pool(
            inputs,
            layer.pool_size,
            layer.strides,
            layer.padding,
            layer.data_format,
        )

    return _with_channels_last(layer, call)


def _global_pooling(layer):
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
        _weighted,
    ),
    ((layers.Embedding,), _embedding),
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
            *(layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D),
            layers.GlobalAveragePooling3D,
        ),
        _as_it_is,
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
        _pooling,
    ),
    (
        (
            *(layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D),
            layers.GlobalMaxPooling3D,
        ),
        _global_pooling,
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
