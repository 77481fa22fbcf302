"""How channels flow through layers: a table, one row per class.

To support another class of layers, write its `Flow` and add it to a table. A
layer of a class in no table is left whole, with its input and output channels.
Subclasses do not inherit the rule of their base: they may compute something
else.
"""

import collections
import itertools
from collections.abc import Collection
from typing import Any

import keras

from kprune.graph import calls, composites
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
from kprune.runtime import keras_internals, types

_PARTS = (
    *(attention, elementwise, linear, merging, normalization, recurrent),
    shaping,
)
LAYERS: dict[type, Any] = {
    cls: flow for part in _PARTS for cls, flow in part.FLOWS.items()
}
# By class name: Keras does not export the classes of its operations.
OPERATIONS = {**elementwise.OPERATIONS, **merging.OPERATIONS}
# By package and class name: layers of packages that need not be installed.
ELSEWHERE = attention.ELSEWHERE
_CROSSING = elementwise.Unchanged()


def record(model: types.Model, whole: Collection[Any] = ()) -> calls.Graph:
    """Returns the `kprune.graph.calls.Graph` of a model.

    Args:
        model: A model that is `kprune.graph.calls.followable`.
        whole: Composite layers whose code is not traced. Defaults to none.
    """

    def heads_of(operation):
        flow = _rule(operation)
        return 0 if flow is None else flow.heads(operation)

    def goes_into(operation):
        return (
            _rule(operation) is None
            and operation not in whole
            and composites.is_composite(operation)
        )

    return calls.record(model, heads_of, goes_into)


def build_flow(call: calls.Call) -> tuple[Any, str | None]:
    """Returns (flow, `None`) for a call, or (`None`, why it is not followed).

    Args:
        call: A `kprune.graph.calls.Call`.
    """
    flow = _CROSSING if call.crossing else _rule(call.operation)
    if flow is None:
        return None, "no rule for its class"
    flow = flow.of(call.operation)
    reason = flow.unfit(call)
    return (flow, None) if reason is None else (None, reason)


LAYERS[keras.layers.TimeDistributed] = distributed.Distributed(build_flow)


def of_all(graph: calls.Graph) -> tuple[dict, dict]:
    """Returns two dicts from each call of a graph: to its flow and to the
    reason, as of `build_flow`.

    A layer is left whole if any of its calls is not followed, or if it shares
    a layer, and so weights, with another one.
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
    """Returns the layers that share themselves, or a layer in them, with
    another one."""
    called = [x for x in graph.calls if not x.crossing]
    within = {
        x.operation: {id(y) for y in keras_internals.all_layers(x.operation)}
        for x in called
        if isinstance(x.operation, keras.layers.Layer)
    }
    # Layers called by a composite layer's code are held by that layer, which is
    # not sharing.
    holders = {x.operation for x in called if x not in graph.within}
    held = [within[layer] for layer in holders if layer in within]
    count = collections.Counter(itertools.chain(*held))
    return {
        layer
        for layer, held in within.items()
        if any(count[one] > 1 for one in held)
    }


def _rule(operation):
    cls = type(operation)
    package = cls.__module__.partition(".")[0]
    if isinstance(operation, keras.layers.Layer):
        return LAYERS.get(cls) or ELSEWHERE.get(f"{package}>{cls.__name__}")
    return OPERATIONS.get(cls.__name__) if package == "keras" else None
