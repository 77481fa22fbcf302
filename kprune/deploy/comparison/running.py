"""Builds the functions to time: inference and a training step."""

import functools

import keras
import tensorflow as tf

from kprune.runtime import keras_internals


def inference(model, x):
    """Returns a function, to be timed, that runs a model on a batch of tensors.
    It does not modify the model."""

    def forward(x):
        mode = keras_internals.mode(model, False)
        outputs, _ = model.stateless_call(*_values(model), x, **mode)
        return outputs

    return _compiled(forward, x)


def training_step(model, x):
    """Returns a function, to be timed, that takes a training step.

    The loss is the mean square of the outputs, which suits every model, and
    the optimizer is plain SGD at learning rate zero: each step computes and
    writes everything, and leaves the weights unchanged. It does update the
    model's moving statistics and seeds. Returns `None` if the model has no
    trainable variables.
    """
    variables = model.trainable_variables
    if not variables:
        return None
    optimizer = keras.optimizers.SGD(0.0, name="comparison")
    optimizer.build(variables)

    def step(x):
        with tf.GradientTape() as tape:
            values, others = _values(model)
            tape.watch(values)
            mode = keras_internals.mode(model, True)
            outputs, moved, losses = model.stateless_call(
                values, others, x, return_losses=True, **mode
            )
            loss = tf.add_n([*_squares(outputs), *map(_float, losses)])
        gradients = tape.gradient(loss, values, unconnected_gradients="zero")
        optimizer.apply(gradients, variables)
        untrained = model.non_trainable_variables
        for variable, value in zip(untrained, moved, strict=True):
            variable.assign(value)
        return loss

    return _compiled(step, x)


def _values(model):
    """Returns the values of the trainable and the other variables, for
    `stateless_call`: in it, random layers do not advance Keras' seeds."""
    both = model.trainable_variables, model.non_trainable_variables
    return tuple([tf.convert_to_tensor(v) for v in part] for part in both)


def _squares(outputs):
    flat = [_float(z) for z in keras.tree.flatten(outputs)]
    return [tf.reduce_mean(tf.square(z)) for z in flat]


def _float(z):
    return tf.cast(z, "float32")


def _compiled(function, x):
    """Returns a traced function of `x` that blocks until it has finished."""
    # TensorFlow warns of retracing for functions created repeatedly, unless
    # they are traced explicitly.
    traced = tf.function(function, autograph=False).get_concrete_function(x)
    return functools.partial(_run, traced, x)


def _run(function, x):
    function(x)
    tf.test.experimental.sync_devices()
