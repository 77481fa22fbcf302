"""Builds the functions to time: inference and a training step."""

import functools

import keras
import tensorflow as tf

from kprune.runtime import keras_internals


def inference(model, x):
    """Returns a function that runs a model on a batch of tensors, for its time.
    The model stays as it is."""

    def forward(x):
        mode = keras_internals.mode(model, False)
        outputs, _ = model.stateless_call(*_values(model), x, **mode)
        return outputs

    return _compiled(forward, x)


def training_step(model, x):
    """Returns a function that takes a step of training, for its time.

    The loss is the mean square of the outputs, which fits all models, and
    the optimizer plain SGD at a learning rate of zero: all is computed and
    written, and each step finds the same weights. Statistics and random seeds
    of the model move. A model that has nothing to train gives `None`.
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
    """Returns the values of the variables, trainable and not.

    Given to `stateless_call`, they keep a layer that draws from Keras' own
    random state from moving it.
    """
    both = model.trainable_variables, model.non_trainable_variables
    return tuple([tf.convert_to_tensor(v) for v in part] for part in both)


def _squares(outputs):
    flat = [_float(z) for z in keras.tree.flatten(outputs)]
    return [tf.reduce_mean(tf.square(z)) for z in flat]


def _float(z):
    return tf.cast(z, "float32")


def _compiled(function, x):
    """Returns a function that runs another, traced now, until it is done."""
    # TensorFlow takes functions that are made anew for ones traced too often,
    # and says so, unless they are traced by hand.
    traced = tf.function(function, autograph=False).get_concrete_function(x)
    return functools.partial(_run, traced, x)


def _run(function, x):
    function(x)
    tf.test.experimental.sync_devices()
