"""Removes composite layers that pass their input through.

A block of which all weights are zero, biases too, adds nothing to what goes
through it.
"""

import dataclasses

import keras
import numpy as np

from kprune.deploy.shrink import proof
from kprune.masking import weights, wrapping
from kprune.runtime import keras_internals


@dataclasses.dataclass(frozen=True)
class Bypassed:
    """Stands for a layer that gives what it is called with first."""

    layer: keras.layers.Layer

    @staticmethod
    def of(args, kwargs):
        """Returns what a call gives."""
        return args[0] if args else next(iter(kwargs.values()))


def find(view, graph):
    """Returns the composite layers of a graph that hand on what they read, a
    list: those with weights, all of which are zero.

    Args:
        view: A `weights.View` of the model.
        graph: The `kprune.graph.calls.Graph` of it.
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
    """Returns the ids of the variables of layers that are left out."""
    return {id(v) for layer in found for v in layer.variables}


def _is_silent(layer):
    own = [w.variable for w in weights.find(layer, inside_wrapper=True)]
    values = map(keras.ops.convert_to_numpy, own)
    return bool(own) and not any(map(np.any, values))


def _hands_on(view, graph, layer):
    try:
        given, outputs = proof.call_of(view, layer, graph.composites[layer])
    except Exception:  # It takes no numbers that are made up.
        return False
    outputs = keras.tree.flatten(outputs)
    if len(outputs) != 1 or not keras.ops.is_tensor(given):
        return False
    return np.array_equal(given, outputs[0])
