"""Decides whether a derivative is traced or computed eagerly.

Tracing costs the time of several evaluations before it saves any.
"""

import keras

from kprune.runtime import keras_internals

# Up to so many evaluations are quicker without a trace. On ResNet-20 with 128
# images, a trace and its first run take as long as five eager gradients, and
# for a Hessian-vector product as long as ten eager products. Each later run
# saves a quarter of a gradient there, and two thirds in LeNet-300-100, where
# operations are small: by CPU time, gradients break even at 6 and at 10,
# products in LeNet-300-100 at 6.
_FEW = {"value": 4, "gradient": 4, "hvp": 10, "gradient_hvp": 10}


def pays(kind, evaluations):
    """Returns whether a trace is worth its time.

    Args:
        kind: As for `Derivatives`. Kinds whose graph has a loop always pay.
        evaluations: How many evaluations are expected, `None` if unknown.
    """
    return evaluations is None or evaluations > _FEW.get(kind, 0)


def has_loops(network):
    """Returns whether a network loops over time steps, whose many operations
    a graph runs without Python."""
    return any(
        isinstance(layer, keras.layers.RNN)
        for layer in keras_internals.all_layers(network)
    )
