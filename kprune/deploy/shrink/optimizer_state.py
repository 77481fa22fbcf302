"""Cuts an optimizer's state along with its weights."""

import keras

from kprune.deploy.shrink import sizes
from kprune.masking import layer_copies
from kprune.runtime import keras_internals


def check(model):
    """Raises `ValueError` if a model has no optimizer state to carry over."""
    if not model.compiled:
        raise ValueError(
            "`carry_optimizer=True` carries the state of the optimizer that a "
            f"model is compiled with. Model {model.name!r} is not compiled."
        )
    if getattr(model.optimizer, "use_ema", False):
        raise ValueError(
            "`carry_optimizer=True` cannot carry the moving averages of an "
            "optimizer with `use_ema=True`: constants are folded into the "
            "weights, not into their averages. Call "
            "`optimizer.finalize_variable_values(...)` first, and go on with "
            "a fresh optimizer."
        )


def carry(model, source, small, pairs):
    """Copies a model's optimizer state, cut, to a smaller model's optimizer.

    Args:
        model: The compiled model.
        source: The model, or the stripped copy of it that `pairs` refers to.
        small: The compiled smaller model.
        pairs: List of (variable of `source`, new variable, list of the (axis,
            indices) kept), as `rebuild` returns it.
    """
    old, new = model.optimizer, small.optimizer
    if not old.built:
        return
    new.build(small.trainable_variables)
    places = map(id, layer_copies.values(source))
    source_of = dict(zip(places, layer_copies.values(model), strict=True))
    for variable, target, kept in pairs:
        if id(variable) not in source_of:
            continue  # The state of a stateful recurrent layer.
        slots = zip(
            keras_internals.slots(old, source_of[id(variable)]),
            keras_internals.slots(new, target),
            strict=True,
        )
        for old_slot, new_slot in slots:
            value = keras.ops.convert_to_numpy(old_slot)
            new_slot.assign(sizes.cut(value, kept))
    # Scalars: the iteration count, the learning rate, the loss scale.
    for one, other in zip(_scalars(old), _scalars(new), strict=True):
        other.assign(one)


def _scalars(optimizer):
    return [v for v in optimizer.variables if tuple(v.shape) == ()]
