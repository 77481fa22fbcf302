"""Returns the specs of a batch of inputs, to trace a model with."""

import keras
import tensorflow as tf

from kprune.runtime import keras_internals


def specs(model, inputs=None):
    """Returns a structure of `tf.TensorSpec`, and its batch size.

    Args:
        model: A built Keras model.
        inputs: A batch of inputs. Defaults to the input shapes that the model
            was built for, with one example if the batch size is open.
    """
    if inputs is None:
        try:
            inputs = keras_internals.input_specs(model)
        except ValueError as error:
            raise ValueError(
                "the input shape is not known, pass `inputs=`"
            ) from error
    else:
        inputs = keras.tree.map_structure(tf.convert_to_tensor, inputs)
    shapes = [tuple(x.shape) for x in keras.tree.flatten(inputs)]
    for shape in shapes:
        if None in shape[1:]:
            raise ValueError(f"the input shape {shape} is open, pass `inputs=`")
    batch = shapes[0][0] or 1
    return keras.tree.map_structure(
        lambda x: tf.TensorSpec((batch, *x.shape[1:]), x.dtype), inputs
    ), batch
