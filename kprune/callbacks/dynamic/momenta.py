"""Finds the momenta of an optimizer, by weight."""

import keras
import numpy as np

from kprune.callbacks.dynamic.read_model import array
from kprune.runtime import keras_internals

# Optimizers that divide the momentum by the root of the second moment.
_ADAPTIVE = (keras.optimizers.Adam, keras.optimizers.Nadam)


def check(optimizer, variables):
    """Raises unless the optimizer has a momentum of each variable."""
    kinds = [_kinds(optimizer, variable) for variable in variables.values()]
    if not all("momentum" in each for each in kinds):
        raise ValueError(
            "Sparse momentum grows weights by the optimizer's momentum, and "
            "this one has none. Expected one such as keras.optimizers.SGD(0.1, "
            f"momentum=0.9) or Adam. Received: {type(optimizer).__name__}"
        )


def read(optimizer, variables):
    """Returns the momentum of each weight, in float32 or wider.

    It is m / sqrt(v) of Adam and Nadam, and the momentum slot of others.
    """
    inner = getattr(optimizer, "inner_optimizer", None) or optimizer
    momenta = {}
    for name, variable in variables.items():
        kinds = _kinds(optimizer, variable)
        momentum = array(kinds["momentum"])
        if isinstance(inner, _ADAPTIVE):
            # The epsilon avoids 0 / 0: v is 0 only where m is.
            second = np.sqrt(array(kinds["velocity"]))
            momentum = momentum / (second + 1e-8)
        momenta[name] = momentum
    return momenta


def _kinds(optimizer, variable):
    """Returns the slots of a weight by kind, the suffix of Keras' names."""
    slots = keras_internals.slots(optimizer, variable)
    return {slot.name.rpartition("_")[2]: slot for slot in slots}
