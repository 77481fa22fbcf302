"""How channels flow through layers: a table, one row per class.

To follow another class of layers, write its `Flow` and add it to a table. A
class that is in none is left whole, and so is what touches it. Subclasses are
not looked up by their bases: they may compute otherwise.
"""

import collections
import itertools

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
from kprune.runtime import keras_internals

_PARTS = (
    *(attention, elementwise, linear, merging, normalization, recurrent),
    shaping,
)
LAYERS = {cls: flow for part in _PARTS for cls, flow in part.FLOWS.items()}
# By name: Keras does not export the classes of its operations.
OPERATIONS = {**elementwise.OPERATIONS, **merging.OPERATIONS}
# By package and name: layers of packages that need not be installed.
ELSEWHERE = attention.ELSEWHERE
_CROSSING = elementwise.Unchanged()


def record(model, whole=()):
    """Returns the `kprune.graph.calls.Graph` of a model.

    Args:
        model: A model that is `kprune.graph.calls.followable`.
        whole: Composite layers whose own code is not looked at.
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


def build_flow(call):
    """Returns the flow of a call and `None`, or `None` and why there is none.

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
    called = [x for x in graph.calls if not x.crossing]
    within = {
        x.operation: {id(y) for y in keras_internals.all_layers(x.operation)}
        for x in called
        if isinstance(x.operation, keras.layers.Layer)
    }
    # What the code of a composite layer calls is held by that.
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
