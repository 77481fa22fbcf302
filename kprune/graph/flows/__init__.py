"""How channels go through each kind of layer: a table, one row per class.

To follow another class of layers, write its `Flow` and add it to a table. A
class that is in none is left whole, and so is what touches it. Subclasses are
not looked up by their bases: they may compute otherwise.
"""

import collections
import itertools

import keras

from kprune.graph.flows import (
    attention,
    distributed,
    elementwise,
    linear,
    merging,
    normalization,
    recurrent,
    shaping,
)
from kprune.runtime import keras_internals

_PARTS = (
    *(attention, elementwise, linear, merging, normalization, recurrent),
    shaping,
)
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


LAYERS[keras.layers.TimeDistributed] = distributed.Distributed(build_flow)


def of_all(graph):
    """Returns what `build_flow` returns for each call of a graph: two dicts.

    A layer of which one call is not followed is left whole in all of them, and
    so is one that shares a layer, and its weights, with another one.
    """
    sharing, found, whole = _sharing(graph), {}, {}
    for call in graph.calls:
        flow, reason = build_flow(call)
        if call.operation in sharing:
            flow, reason = None, "it shares weights with another layer"
        found[call] = flow, reason
        if flow is None:
            whole[call.operation] = flow, reason
    found = {
        call: whole.get(call.operation, one) for call, one in found.items()
    }
    flow = {call: one for call, (one, _) in found.items()}
    return flow, {call: reason for call, (_, reason) in found.items()}


def _sharing(graph):
    """Returns the layers that hold, or are, what another one holds too."""
    called = {x.operation for x in graph.calls if not x.crossing}
    within = {
        layer: {id(x) for x in keras_internals.all_layers(layer)}
        for layer in called
        if isinstance(layer, keras.layers.Layer)
    }
    count = collections.Counter(itertools.chain(*within.values()))
    return {
        layer
        for layer, held in within.items()
        if any(count[one] > 1 for one in held)
    }


def _operation_name(operation):
    cls = type(operation)
    return cls.__name__ if cls.__module__.startswith("keras.") else None
