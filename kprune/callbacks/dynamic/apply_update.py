"""Applies an update of the masks to a model."""

import keras
import numpy as np

from kprune.masking import wrapping
from kprune.runtime import keras_internals


def apply_update(model, weights, before, change, keeps_slots):
    """Applies a `MaskUpdate` to a model.

    Sets the masks, and zeroes removed and fresh entries in the weights and,
    unless `keeps_slots`, in the optimizer's slots.

    Args:
        model: A wrapped, compiled Keras model.
        weights: Dict of `kprune.masking.weights.Weight` by name.
        before: Dict of the current masks.
        change: The `MaskUpdate`.
        keeps_slots: Whether the optimizer's slots stay unchanged.
    """
    masks = {
        name: mask
        for name, mask in change.masks.items()
        if not np.array_equal(mask, before[name])
    }
    variables = {name: weights[name].variable for name in change.masks}
    slots = {
        name: keras_internals.slots(model.optimizer, variable)
        for name, variable in variables.items()
    }
    held = [s for name in masks if keeps_slots for s in slots[name]]
    held = [(slot, keras.ops.convert_to_numpy(slot)) for slot in held]
    if masks:
        # Zeroes the slots of removed entries: kept slots are restored below.
        wrapping.set_masks(model, masks)
    for slot, value in held:
        slot.assign(value)
    for name, mask in change.masks.items():
        fresh = mask & ~before[name]
        if change.fresh is not None:
            fresh = change.fresh[name]
        if change.weights is not None:
            variables[name].assign(change.weights[name])
        elif weights[name].keep_pruned_values or (fresh & before[name]).any():
            # Otherwise pruned entries are zero already.
            _zero(variables[name], fresh)
        for slot in () if keeps_slots else slots[name]:
            _zero(slot, fresh)


def _zero(variable, entries):
    if entries.any():
        value = keras.ops.convert_to_numpy(variable)
        variable.assign(np.where(entries, value.dtype.type(0), value))
