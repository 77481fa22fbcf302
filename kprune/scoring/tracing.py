"""Decides whether a derivative is traced or computed eagerly.

A trace takes the time of some evaluations before it saves any.
"""

import keras

from kprune.runtime import keras_internals

# How many evaluations are done sooner without a trace. On ResNet-20 with 128
# images a trace and its first run take as long as five gradients by operation,
# and that of a Hessian-vector product as long as ten of these. What a trace
# saves later is a quarter of a gradient there, and two thirds in LeNet-300-100
# where operations are small: by CPU time, gradients break even at 6 and at 10,
# products in LeNet-300-100 at 6.
_FEW = {"value": 4, "gradient": 4, "hvp": 10, "gradient_hvp": 10}


def pays(kind, evaluations):
    """Whether a trace is worth its time.

    Args:
        kind: As of `Derivatives`. What loops in its graph is always traced.
        evaluations: How many are to come, or `None` if nobody knows.
    """
    return evaluations is None or evaluations > _FEW.get(kind, 0)


def has_loops(network):
    """Whether a network loops over steps, each of which costs as many
    operations: a graph runs them without Python."""
    return any(
        isinstance(layer, keras.layers.RNN)
        for layer in keras_internals.all_layers(network)
    )
