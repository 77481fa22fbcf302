"""Layers whose own code calls layers they hold.

Their code is traced on symbolic tensors. Open dimensions get arbitrary sizes,
which do not affect how channels flow.
"""

import dataclasses
from typing import Any

import keras

from kprune.masking import weights
from kprune.runtime import keras_internals

_BATCH = 3
_OPEN = (8, 16, 32, 4, 2, 1)  # Sizes to try for open dimensions.


@dataclasses.dataclass(frozen=True, eq=False)
class Trace:
    """The calls that a layer's code makes.

    Attributes:
        arguments: The (args, kwargs) of the call, with symbolic tensors.
        inputs: List of the symbolic tensors among them.
        outputs: List of the returned symbolic tensors.
        nodes: List of calls, in the form of `keras_internals.nodes`.
    """

    arguments: tuple
    inputs: list
    outputs: list
    nodes: list


def is_composite(layer: Any) -> bool:
    """Returns whether a built layer holds layers and has a `call` that is not
    Keras' own."""
    return (
        isinstance(layer, keras.layers.Layer)
        and layer.built
        and not keras_internals.is_graph(layer)
        and not _is_of_keras(type(layer).call)
        and bool(weights.children(layer))
    )


def _is_of_keras(method):
    return (getattr(method, "__module__", None) or "").startswith("keras.")


def trace(layer: keras.layers.Layer, arguments: tuple) -> Trace | None:
    """Returns the `Trace` of a call of a composite layer, or `None` if its code
    cannot run on symbolic tensors.

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
    """Returns an argument; open dimensions of a symbolic tensor get a size."""
    if not isinstance(x, keras.KerasTensor):
        return x
    shape = [
        n if n is not None else size if axis else _BATCH
        for axis, n in enumerate(x.shape)
    ]
    return keras.KerasTensor(shape, x.dtype)
