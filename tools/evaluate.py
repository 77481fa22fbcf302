"""Measures a saved model: loss, accuracy and sparsity on test data.

  python tools/evaluate.py --workdir=runs/quickstart
  python tools/evaluate.py --model=pruned.keras --data=cifar10 --json

A run is measured on the test set of its config. A model needs --data, of which
it gets the test set, or --npz, a file with arrays x and y that numpy.savez
wrote. It is measured by the loss that it is compiled with; one that is not
compiled, by the cross-entropy that fits its outputs and the labels.
"""

import json

import command_line
import keras
import labelled_data
import numpy as np
import runs
import saved_models
from absl import app, flags

import kprune
from kprune.runtime import keras_internals
from kprune.scoring import losses

_MODEL, _WORKDIR = command_line.define_model()
_DATA = labelled_data.LabelledData("whose test set to measure on")
_DATA_DIR = command_line.define_data_dir()
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 128, "Examples in a batch.", lower_bound=1
)
_JSON = flags.DEFINE_boolean(
    "json", False, "Whether to print a line of JSON, with all digits."
)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected argument: {argv[1]!r}.")
    with command_line.errors_in_words():
        model = saved_models.load(_MODEL.value or _WORKDIR.value)
        measured = measure(model, *test_data())
    if _JSON.value:
        print(json.dumps(measured))
    else:
        print(
            f"loss {measured['loss']:.4f}, "
            f"accuracy {100 * measured['accuracy']:.2f} %, "
            f"sparsity {100 * measured['sparsity']:.2f} %"
        )


def test_data():
    """Returns batches to measure on, and the labels there are in them."""
    found = _DATA.test(_BATCH_SIZE.value, _DATA_DIR.value)
    if found is not None:
        return found
    if _WORKDIR.value is None:
        raise ValueError("Expected --data=NAME or --npz=FILE.")
    section = runs.config_of(_WORKDIR.value).dataset
    return labelled_data.test_set(
        section.name,
        section.normalization,
        _BATCH_SIZE.value,
        _DATA_DIR.value,
    )


def measure(model, batches, labels):
    """Returns the loss, accuracy and sparsity of a model, as a dict.

    Args:
        model: A Keras model. It is compiled anew, with its loss if it has one.
        batches: Data set of (x, y).
        labels: Array of labels as in `batches`, for the check.

    Raises:
        ValueError: If the data do not fit the model.
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
    report = kprune.report(model, multiply_adds=False, paths=False)
    return {
        "loss": found["loss"],
        "accuracy": found["accuracy"],
        "sparsity": float(report.sparsity),
    }


if __name__ == "__main__":
    app.run(main, flags_parser=command_line.parse)
