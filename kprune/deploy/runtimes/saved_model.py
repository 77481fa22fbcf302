"""Runs a SavedModel in TensorFlow."""

import keras
import numpy as np
import tensorflow as tf

from kprune.deploy.runtimes import Runner
from kprune.runtime.words import one_line


def open(path):
    """Returns the `Runner` of a SavedModel written by `kprune.export` or Keras.

    A SavedModel is a program: see `SECURITY.md` before loading untrusted ones.
    """
    try:
        loaded = tf.saved_model.load(str(path))  # Holds the variables.
        (function,) = loaded.serve.concrete_functions
    except Exception as error:
        raise ValueError(
            f"Cannot open {path} as a SavedModel with an endpoint `serve`: "
            f"{one_line(error)}"
        ) from error
    arguments, _ = function.structured_input_signature
    specs = keras.tree.flatten(arguments)

    def run(inputs):
        x = keras.tree.pack_sequence_as(arguments, list(inputs))
        found = keras.tree.flatten(loaded.serve(*x))
        return [np.asarray(y) for y in found]

    return Runner(run, tuple(map(_described, specs)))


def _described(spec):
    return spec.name, tuple(spec.shape), spec.dtype.name
