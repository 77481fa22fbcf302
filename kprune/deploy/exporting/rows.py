"""Describes weights that are stored unchanged."""

import keras
import numpy as np

from kprune.deploy.exporting.result import Row
from kprune.masking import weights

# The `why` of a weight with zeros in a dense runtime.
NO_SPEED = "no speed: {runtime} multiplies zeros like any number"


def dense(model, runtime, stored="dense"):
    """Returns a `Row` for each prunable weight of a stripped model.

    Args:
        model: A Keras model without masks.
        runtime: Name of the runtime, used in `Row.why`.
        stored: How weights are stored. Defaults to `"dense"`.
    """
    return tuple(
        Row(
            w.name,
            zeros(w.variable),
            f"{stored} int8" if w.variable.dtype == "int8" else stored,
            why(w.variable, runtime),
        )
        for w in weights.find(model)
    )


def zeros(variable):
    """Returns the share of a weight's entries that are zero."""
    values = keras.ops.convert_to_numpy(variable)
    return 1 - np.count_nonzero(values) / max(values.size, 1)


def why(variable, runtime):
    """Returns why a runtime gains no speed from a weight's zeros; empty if it
    has none."""
    return NO_SPEED.format(runtime=runtime) if zeros(variable) else ""
