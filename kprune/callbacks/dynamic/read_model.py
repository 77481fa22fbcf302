"""Reads weights and masks for dynamic training."""

import keras
import numpy as np

from kprune.masking import weights, wrapping


def read_model(model, updater):
    """Returns the weights of a wrapped model whose masks may move, by name.

    Weights excluded from pruning and frozen weights are not among them.
    """
    wrapping.get_masks(model)  # Raises if there are none.
    found = {
        w.name: w
        for w in weights.find(model)
        if w.mask is not None and w.skipped is None and w.note is None
    }
    if not found:
        raise ValueError(
            f"Model {model.name!r} has no mask to update. Expected a trainable "
            "weight that was not excluded when the model was pruned."
        )
    if updater.needs_pruned and all(
        array(w.mask).all() for w in found.values()
    ):
        raise ValueError(
            f"Model {model.name!r} is dense, but its masks set the budget. "
            "Expected a pruned model: prune it first, such as with "
            'kprune.prune(model, "random", sparsity=0.9, allocation="erk").'
        )
    return found


def array(variable):
    """Returns a variable as an array; converts half precision to float32."""
    value = keras.ops.convert_to_numpy(variable)
    if value.dtype == bool or value.dtype.itemsize >= 4:
        return value
    return value.astype(np.float32)
