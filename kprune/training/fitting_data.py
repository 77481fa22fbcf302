"""Checks that a model can train on data, before it does."""

import keras
import numpy as np

from kprune.runtime import fit_arguments, keras_internals
from kprune.runtime.words import one_line


def check(model, data, name):
    """Raises `ValueError` if data does not fit a compiled model and its loss.

    Only shapes are checked, and for arrays also class numbers; data sets are
    not read. Models with a custom train step, or that are not a graph of
    layers, are not checked.

    Args:
        model: A compiled Keras model.
        data: As `fit` takes it.
        name: String, the argument's name.
    """
    if not keras_internals.fits_as_usual(model):
        return
    specs = fit_arguments.specs(name, data)
    if specs is None:  # The shapes are unknown without reading.
        return
    try:
        outputs = keras_internals.check_fit(model, specs)
    except Exception as error:
        raise ValueError(
            f"Expected `{name}` that fits the model and its loss. Received "
            f"shapes {fit_arguments.shapes(specs)}, with which: "
            f"{one_line(error)}"
        ) from error
    if fit_arguments.are_arrays(data):
        _check_classes(model, data[1], outputs, name)


def _check_classes(model, labels, outputs, name):
    """Raises `ValueError` if the loss takes class numbers and the labels are
    out of range."""
    loss = keras_internals.compiled_loss(model)
    if keras.tree.is_nested(loss) or not keras_internals.wants_integers(loss):
        return
    labels, classes = np.asarray(labels), outputs.shape[-1]
    given = labels[labels != getattr(loss, "ignore_class", None)]
    if given.size and not 0 <= given.min() <= given.max() < classes:
        raise ValueError(
            f"Expected labels in `{name}` from 0 to {classes - 1}, for the "
            f"{classes} outputs of the model. Received: values from "
            f"{given.min()} to {given.max()}"
        )
