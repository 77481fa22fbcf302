"""The one place of dynamic training that changes a model."""

import keras
import numpy as np

from kprune.masking import wrapping
from kprune.runtime import keras_internals


def apply_update(model, weights, before, change, keeps_slots):
    """Sets masks, and what goes with them: values and optimizer slots.

    What is removed is set to zero, and so are its slots; what begins anew,
    likewise.

    Args:
        model: A wrapped, compiled model with a built optimizer.
        weights: Dict of `kprune.masking.weights.Weight` by name.
        before: Dict of the masks that are there.
        change: A `MaskUpdate`.
        keeps_slots: Whether to leave all slots as they are.
    """
    masks = {
        name: mask
        for name, mask in change.masks.items()
        if not np.array_equal(mask, before[name])
    }
    slots = [
        (slot, keras.ops.convert_to_numpy(slot))
        for name in masks
        if keeps_slots
        for slot in keras_internals.slots(
            model.optimizer, weights[name].variable
        )
    ]
    if masks:
        wrapping.set_masks(model, masks)
    for slot, value in slots:
        slot.assign(value)
    for name, mask in change.masks.items():
        fresh = mask & ~before[name]
        if change.fresh is not None:
            fresh = change.fresh[name]
        if change.weights is not None:
            weights[name].variable.assign(change.weights[name])
        elif weights[name].keep_pruned_values:
            _zero(weights[name].variable, fresh)
        if not keeps_slots:
            for slot in keras_internals.slots(
                model.optimizer, weights[name].variable
            ):
                _zero(slot, fresh)


def _zero(variable, entries):
    if entries.any():
        value = keras.ops.convert_to_numpy(variable)
        variable.assign(np.where(entries, value.dtype.type(0), value))
