"""Checks that a model can evaluate data, before training."""

import keras
from keras.src import backend

from kprune.runtime.keras_internals.graphs import is_graph
from kprune.runtime.keras_internals.inputs import check_inputs
from kprune.runtime.keras_internals.training import compiled_loss, training_loss

_STEPS = ("train_step", "test_step", "compute_loss", "fit", "evaluate")


def fits_as_usual(model):
    """Returns whether a model is a built graph of layers that trains on its
    compiled loss, not eagerly, and overrides none of Keras' steps."""
    own = any(
        getattr(type(model), name) is not getattr(keras.Model, name)
        for name in _STEPS
    )
    if own or not is_graph(model) or not model.built or model.run_eagerly:
        return False
    return compiled_loss(model) is not None


def check_fit(model, specs):
    """Raises if a model cannot train on data of the given specs.

    Infers shapes only; computes nothing and creates no variables.

    Args:
        model: A Keras model for which `fits_as_usual` is true.
        specs: Tuple (x, y) or (x, y, sample_weight) of `keras.KerasTensor`, or
            structures of them.

    Returns:
        The specs of the outputs.
    """
    x, y, *_ = specs
    outputs = _outputs_on(model, x)
    backend.compute_output_spec(training_loss(model), y, outputs)
    return outputs


def _outputs_on(model, x):
    single = len(model.inputs) == len(model.outputs) == 1
    if keras.tree.is_nested(x) or not single:
        return backend.compute_output_spec(model, x, training=False)
    check_inputs(model, x)  # Comparing shapes is enough; it saves a trace.
    (outputs,) = model.outputs
    return keras.KerasTensor(outputs.shape, outputs.dtype)
