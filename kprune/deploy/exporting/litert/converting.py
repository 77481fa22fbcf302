"""Converts a Keras model to a dense LiteRT file."""

import contextlib
import logging
import warnings

import keras
import tensorflow as tf

from kprune.deploy.exporting import inputs
from kprune.runtime import keras_internals
from kprune.runtime.words import one_line

_FIXED = (
    "Its batch is fixed at 1: LiteRT has no lists of tensors of an open size, "
    "which recurrent layers need."
)
_RECURRENT = (keras.layers.RNN, keras.layers.Bidirectional)
_OPEN_LIST = "TensorList"  # Marks the converter's error about open sizes.


def convert(model, options):
    """Returns the bytes of a dense LiteRT file, and a tuple of notes on it.

    Args:
        model: A stripped Keras model.
        options: `formats.Options`.

    Raises:
        ValueError: If the converter cannot convert the model.
    """
    layers = keras_internals.all_layers(model)
    if any(isinstance(layer, _RECURRENT) for layer in layers):
        if options.quantize == "int8":
            # The converter would crash the process: calibrating an LSTM on
            # representative examples is a segmentation fault.
            raise ValueError(
                f"Model {model.name!r} has recurrent layers, of which "
                "TensorFlow's converter cannot find the ranges that "
                '`quantize="int8"` needs. Expected "dynamic_int8" or '
                '"float16", or `format="onnx"`.'
            )
        return _converted(model, 1, options), (_FIXED,)
    try:
        return _converted(model, None, options), ()
    except ValueError as error:
        if _OPEN_LIST not in str(error.__cause__):
            raise
    return _converted(model, 1, options), (_FIXED,)


def _converted(model, batch, options):
    function = inputs.function(model, batch)
    try:
        with _quiet():
            # Only concrete functions keep the order of inputs and outputs: a
            # SavedModel's are sorted by name.
            converter = tf.lite.TFLiteConverter.from_concrete_functions(
                [function.get_concrete_function()]
            )
            _quantize(converter, options)
            return converter.convert()
    except Exception as error:
        raise ValueError(
            f"TensorFlow's converter cannot convert model {model.name!r} for "
            f"LiteRT: {_reason(error)}"
        ) from error


def _quantize(converter, options):
    """Sets a converter's quantization options. Weights are symmetric in all
    modes."""
    if options.quantize is None:
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if options.quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    elif options.quantize == "int8":
        converter.representative_dataset = lambda: _one_by_one(options.examples)
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
            # Operators without an int8 version stay float32.
            tf.lite.OpsSet.TFLITE_BUILTINS,
        ]


def _one_by_one(batches):
    for batch in batches:
        for place in range(len(batch[0])):
            yield [one[place : place + 1] for one in batch]


def _reason(error):
    """Returns a converter error's message, without files and lines."""
    lines = [line for line in str(error).splitlines() if "error: " in line]
    text = lines[0].rpartition("error: ")[2] if lines else one_line(error)
    return one_line(text)


@contextlib.contextmanager
def _quiet():
    """Suppresses warnings that no caller can act on: that converting a bare
    function is deprecated, and that float32 inputs have no statistics."""
    logger = logging.getLogger("absl")
    logger.addFilter(_tells_something)
    try:
        with warnings.catch_warnings():
            # Inputs stay float32, so they need no statistics.
            warnings.filterwarnings("ignore", "Statistics for quantized")
            yield
    finally:
        logger.removeFilter(_tells_something)


def _tells_something(record):
    return "trackable_obj" not in record.getMessage()
