"""Exports a saved model as a SavedModel that TensorFlow alone can serve.

  kprune export --model=pruned.keras --out=served
  kprune export --workdir=runs/quickstart --out=served

Masks are folded into the weights: what is pruned is zero in it. What is
written is loaded again and compared with the model, on noise.
"""

import keras
import numpy as np
import tensorflow as tf

from kprune.analysis.report import report
from kprune.cli import model_files
from kprune.cli.flags import define_model
from kprune.deploy import export
from kprune.runtime import keras_internals


def define(flags):
    define_model(flags)
    flags.string("out", None, "Directory to write: a new one.")
    flags.require("out", "DIRECTORY")


def main(flags):
    model = model_files.load(flags.model or flags.workdir)
    export.export(model, flags.out)
    difference = compare(model, flags.out)
    sparsity = report(model, multiply_adds=False, paths=False).sparsity
    print(f"{flags.out} holds the SavedModel, at a sparsity of {sparsity:.4f}.")
    if difference is None:
        print("It was not compared: the model's input shapes are not known.")
    else:
        print(f"Its outputs differ from the model's by {difference:.1e}.")


def compare(model, path):
    """Returns the largest difference of a SavedModel's outputs from a model's,
    or `None` if nothing is known of its inputs.

    Raises:
        ValueError: If they differ by more than computing in another order may
            explain.
    """
    arguments = keras_internals.call_arguments(model)
    if not arguments:
        return None
    inputs = keras.tree.map_structure(_noise, arguments)
    expected = keras.tree.flatten(model(*inputs, training=False))
    loaded = tf.saved_model.load(path)  # Holds the variables.
    served = tf.nest.flatten(loaded.serve(*inputs))
    worst = 0.0
    for one, other in zip(served, expected, strict=True):
        one, other = np.asarray(one, "float64"), np.asarray(other, "float64")
        worst = max(worst, np.abs(one - other).max(initial=0))
        if not np.allclose(one, other, 0, 1e-3 * np.abs(other).max() + 1e-6):
            raise ValueError(
                f"{path} does not give the model's outputs: they differ by "
                f"{worst}. Received outputs up to {np.abs(other).max()}."
            )
    return worst


def _noise(spec):
    """Returns three examples for an input: noise, or ones for integers."""
    shape = [3] + [64 if size is None else size for size in spec.shape[1:]]
    dtype = keras.backend.standardize_dtype(spec.dtype)
    if "float" not in dtype:
        return keras.ops.ones(shape, dtype)
    noise = np.random.default_rng(0).normal(size=shape)
    return keras.ops.convert_to_tensor(noise, dtype)
