"""Removes composite layers that pass their input through.

A residual block whose weights and biases are all zero is the identity.
"""

import dataclasses

import keras
import numpy as np

from kprune.deploy.shrink import proof
from kprune.masking import weights, wrapping
from kprune.runtime import keras_internals


@dataclasses.dataclass(frozen=True)
class Bypassed:
    """A placeholder for a layer that returns its first argument."""

    layer: keras.layers.Layer

    @staticmethod
    def of(args, kwargs):
        """Returns the output of a call: its first argument."""
        return args[0] if args else next(iter(kwargs.values()))


def find(view, graph):
    """Returns a list of the composite layers that pass their input through.

    They have weights, all of which are zero. Layers within others found are
    left out.

    Args:
        view: A `weights.View` of the model.
        graph: The model's `kprune.graph.calls.Graph`.
    """
    found, below = [], set()
    with wrapping.masked(view):
        silent = [x for x in graph.composites if _is_silent(x)]
    for layer in silent:
        below |= {id(x) for x in keras_internals.all_layers(layer)[1:]}
    for layer in silent:
        if id(layer) not in below and _hands_on(view, graph, layer):
            found.append(layer)
    return found


def variables(found):
    """Returns the ids of the variables of removed layers."""
    return {id(v) for layer in found for v in layer.variables}


def _is_silent(layer):
    own = [w.variable for w in weights.find(layer, inside_wrapper=True)]
    values = map(keras.ops.convert_to_numpy, own)
    return bool(own) and not any(map(np.any, values))


def _hands_on(view, graph, layer):
    try:
        given, outputs = proof.call_of(view, layer, graph.composites[layer])
    except Exception:  # It does not accept random inputs.
        return False
    outputs = keras.tree.flatten(outputs)
    if len(outputs) != 1 or not keras.ops.is_tensor(given):
        return False
    return np.array_equal(given, outputs[0])
