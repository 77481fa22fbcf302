"""Measures a saved model: loss, accuracy and sparsity on test data.

  kprune evaluate --workdir=runs/quickstart
  kprune evaluate --model=pruned.keras --data=cifar10 --json

A run is measured on the test set of its config. A model needs --data, whose
test set is taken, or --npz, a file with arrays x and y that numpy.savez wrote.
The loss is the compiled one; for a model that is not compiled, it is the
cross-entropy that fits its outputs and the labels.
"""

import json
import pathlib

import keras
import numpy as np

from kprune import experiment
from kprune.analysis.report import report
from kprune.cli import labelled_data, model_files
from kprune.cli.flags import define_model
from kprune.experiment import directory
from kprune.runtime import keras_internals
from kprune.scoring import losses


def define(flags):
    define_model(flags)
    labelled_data.define(flags, "whose test set to measure on", batch_size=128)
    labelled_data.define_json(flags)


def main(flags):
    model = model_files.load(flags.model or flags.workdir)
    measured = measure(model, *test_data(flags))
    if flags.json:
        print(json.dumps(measured))
    else:
        print(
            f"loss {measured['loss']:.4f}, "
            f"accuracy {100 * measured['accuracy']:.2f} %, "
            f"sparsity {100 * measured['sparsity']:.2f} %"
        )


def test_data(flags):
    """Returns the test batches and their labels."""
    found = labelled_data.test(flags)
    if found is not None:
        return found
    if flags.workdir is None:
        raise ValueError("Expected --data=NAME or --npz=FILE.")
    record = pathlib.Path(flags.workdir, directory.CONFIG).read_text()
    section = experiment.complete(json.loads(record)["config"]).dataset
    return labelled_data.test_set(flags, section.name, section.normalization)


def measure(model, batches, labels):
    """Returns the loss, accuracy and sparsity of a model, as a dict.

    It compiles the model again, with its own loss if it has one.

    Args:
        model: A Keras model with one output.
        batches: `tf.data.Dataset` of test batches.
        labels: Array of the labels in `batches`, to check against the outputs.
    """
    x, y = next(iter(batches))
    keras_internals.check_inputs(model, x)
    outputs = model(x, training=False)
    if keras.tree.is_nested(outputs):
        raise ValueError(
            "Expected a model with one output. Received: "
            f"{len(keras.tree.flatten(outputs))} outputs"
        )
    loss = losses.compiled_loss(model) or losses.infer(model, outputs, y)
    like = np.zeros((len(labels), *outputs.shape[1:]))
    losses.check_labels(model, loss, like, labels)
    model.compile(loss=loss, metrics=["accuracy"], jit_compile=False)
    found = model.evaluate(batches, return_dict=True, verbose=0)
    sparsity = report(model, multiply_adds=False, paths=False).sparsity
    measured = {name: found[name] for name in ("loss", "accuracy")}
    return {**measured, "sparsity": float(sparsity)}
