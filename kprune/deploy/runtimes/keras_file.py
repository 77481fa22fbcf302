"""Runs a `.keras` file in Keras."""

import keras

from kprune.deploy.runtimes import Runner
from kprune.runtime import keras_internals, saved_models, seeds


def open(path):
    """Returns the `Runner` of a `.keras` file."""
    with seeds.untouched():
        return of_model(saved_models.load(path, compile=False))


def of_model(model):
    """Returns the `Runner` of a Keras model."""
    arguments = keras_internals.serving_signature(model)
    specs = keras.tree.flatten(arguments)

    def run(inputs):
        x = keras.tree.pack_sequence_as(arguments, list(inputs))
        found = keras.tree.flatten(keras_internals.infer(model, *x))
        return [keras.ops.convert_to_numpy(y) for y in found]

    return Runner(run, tuple(map(_described, specs)), model)


def _described(spec):
    dtype = keras.backend.standardize_dtype(spec.dtype)
    return spec.name, tuple(spec.shape), dtype
