"""Whether data is such as a model evaluates, before it is trained."""

import keras
from keras.src import backend

from kprune.runtime.keras_internals.training import compiled_loss, training_loss


def evaluates_as_usual(model):
    """Whether a built model evaluates by its compiled loss of (x, y), and in no
    way of its own."""
    own = any(
        getattr(type(model), name) is not getattr(keras.Model, name)
        for name in ("test_step", "compute_loss", "evaluate")
    )
    return model.built and not own and compiled_loss(model) is not None


def check_evaluation(model, specs):
    """Raises if a compiled model cannot evaluate data of these specs.

    Nothing is computed or made of the model's own: shapes alone are followed.

    Args:
        model: A built and compiled Keras model.
        specs: Tuple (x, y) or (x, y, sample_weight) of `keras.KerasTensor`, or
            structures of them.
    """
    x, y, *_ = specs
    outputs = backend.compute_output_spec(model, x, training=False)
    loss = training_loss(model)
    backend.compute_output_spec(loss, y, outputs)
