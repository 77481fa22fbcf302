"""How channels go through each kind of layer: a table, one row per class.

To follow another class of layers, write its `Flow` and add it to a table. A
class that is in none is left whole, and so is what touches it. Subclasses are
not looked up by their bases: they may compute otherwise.
"""

import keras

from kprune.graph.flows import (
    attention,
    elementwise,
    linear,
    merging,
    normalization,
    shaping,
)

_PARTS = (attention, elementwise, linear, merging, normalization, shaping)
LAYERS = {cls: flow for part in _PARTS for cls, flow in part.FLOWS.items()}
# By name: Keras does not export the classes of its operations.
OPERATIONS = {**elementwise.OPERATIONS, **merging.OPERATIONS}
_CROSSING = elementwise.Unchanged()


def build_flow(call):
    """Returns the flow of a call and `None`, or `None` and why there is none.

    Args:
        call: A `kprune.graph.calls.Call`.
    """
    if call.crossing:
        flow = _CROSSING
    elif isinstance(call.operation, keras.layers.Layer):
        flow = LAYERS.get(type(call.operation))
    else:
        flow = OPERATIONS.get(_operation_name(call.operation))
    if flow is None:
        return None, "no rule for its class"
    flow = flow.of(call.operation)
    reason = flow.unfit(call)
    return (flow, None) if reason is None else (None, reason)


def of_all(graph):
    """Returns what `build_flow` returns for each call of a graph: two dicts."""
    found = {call: build_flow(call) for call in graph.calls}
    flow = {call: one for call, (one, _) in found.items()}
    return flow, {call: reason for call, (_, reason) in found.items()}


def _operation_name(operation):
    cls = type(operation)
    return cls.__name__ if cls.__module__.startswith("keras.") else None
