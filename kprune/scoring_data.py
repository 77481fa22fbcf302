"""What scores are taken on: batches that fit the model, and the loss."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np

from kprune import batches as reader
from kprune import keras_internals, losses


@dataclasses.dataclass(frozen=True)
class ScoringData:
    """Batches and loss, checked against each other and the model.

    Args:
        batches: List of (x, y) or (x, y, sample_weight).
        loss: The loss, as `compile` takes it.
        function: Function of (y_true, y_pred, sample_weight) to a scalar.
    """

    batches: list
    loss: object
    function: Callable


def read(model, data, loss, batches=None, batch_size=None, seed=0):
    """Reads the data, settles the loss, and checks that all fits.

    Args:
        model: A built Keras model. It is left as it was.
        data: As `fit` takes it, or `None` for a synthetic batch.
        loss: As `compile` takes it, or `None` for the compiled or an inferred
            one.
        batches: How many batches to read. Defaults to all.
        batch_size: Size to cut arrays into. Defaults to 128.
        seed: Integer >= 0, for the synthetic batch.

    Returns:
        A `ScoringData`.

    Raises:
        ValueError: If inputs, labels, loss and model do not fit together.
    """
    if data is None:
        found = [reader.synthetic(model, loss, batch_size, seed)]
    else:
        found = reader.read(data, batches, batch_size)
    x, y, *_ = found[0]
    outputs = _outputs_on(model, x)
    loss = losses.resolve(model, loss, outputs, y)
    for _, labels, *_ in found:
        losses.check_labels(model, loss, _like(outputs, labels), labels)
    function = keras_internals.training_loss(model, loss)
    try:
        # Builds its trackers, which cannot be done while tracing.
        function(y, outputs)
    except Exception as error:
        raise ValueError(f"The labels do not fit the loss: {error}") from error
    if loss is None:
        loss = losses.compiled_loss(model)
    return ScoringData(found, loss, function)


def _outputs_on(model, x):
    """Runs the model on the first inputs, to see that they fit."""
    keras_internals.check_inputs(model, x)
    try:
        with keras.StatelessScope():
            outputs = model(x, training=False)
    except Exception as error:
        shapes = keras.tree.map_structure(np.shape, x)
        raise ValueError(
            f"`data` does not fit model {model.name!r}. Received inputs of "
            f"shape {shapes}: {error}"
        ) from error
    return keras.tree.map_structure(
        lambda z: np.asarray(keras.ops.cast(z, "float32")), outputs
    )


def _like(outputs, labels):
    """Outputs with as many examples as the labels, for a check of shapes."""
    count = np.shape(keras.tree.flatten(labels)[0])[0]
    return keras.tree.map_structure(
        lambda z: np.broadcast_to(z[:1], (count, *z.shape[1:])), outputs
    )
