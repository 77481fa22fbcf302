"""Layers whose own code calls layers they hold.

Their code is run on symbolic tensors, of sizes that are made up where these are
open: for how channels go through it, these sizes do not matter.
"""

import dataclasses

import keras

from kprune.masking import weights
from kprune.runtime import keras_internals

_BATCH = 3
_OPEN = (8, 16, 32, 4, 2, 1)  # Sizes to try for open dimensions.


@dataclasses.dataclass(frozen=True, eq=False)
class Trace:
    """What the code of a layer calls.

    Attributes:
        arguments: The (args, kwargs) of the call, with symbolic tensors.
        inputs, outputs: Lists of these, and of what is returned.
        nodes: List of calls, as of `keras_internals.nodes`.
    """

    arguments: tuple
    inputs: list
    outputs: list
    nodes: list


def is_composite(layer):
    """Whether a layer holds layers that code of the user's own calls."""
    return (
        isinstance(layer, keras.layers.Layer)
        and layer.built
        and not keras_internals.is_graph(layer)
        and not _is_of_keras(type(layer).call)
        and bool(weights.children(layer))
    )


def _is_of_keras(method):
    return (getattr(method, "__module__", None) or "").startswith("keras.")


def trace(layer, arguments):
    """Returns the `Trace` of a call of a composite layer, or `None` if its code
    does not take symbolic tensors.

    Args:
        layer: A composite layer.
        arguments: The (args, kwargs) of a call in a graph.
    """
    for size in _OPEN:
        given = keras.tree.map_structure(
            lambda x, size=size: _closed(x, size), arguments
        )
        flat = keras.tree.flatten(given)
        inputs = [x for x in flat if isinstance(x, keras.KerasTensor)]
        try:
            nodes, outputs = keras_internals.trace_layer(layer, *given)
        except Exception:
            continue
        return Trace(given, inputs, outputs, nodes)
    return None


def _closed(x, size):
    """Returns an input like a symbolic tensor, all dimensions of known size."""
    if not isinstance(x, keras.KerasTensor):
        return x
    shape = [
        n if n is not None else size if axis else _BATCH
        for axis, n in enumerate(x.shape)
    ]
    return keras.KerasTensor(shape, x.dtype)
