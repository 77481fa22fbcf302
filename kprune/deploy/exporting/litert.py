"""Writes a model for LiteRT."""

import tensorflow as tf

from kprune.deploy.exporting import inputs, rows
from kprune.deploy.exporting.result import Written


def write(model, path, options):
    """Writes a stripped model as a `.tflite` file."""
    del options
    function = inputs.function(model).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    path.write_bytes(converter.convert())
    return Written(rows.dense(model, "LiteRT"))
