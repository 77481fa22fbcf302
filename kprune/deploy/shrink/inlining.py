"""Inlines nested graphs into the smaller model.

Keras loads a graph that shares a layer with one nested in it as if they had a
layer each. The graph of an own class may do so, for its constructor makes the
layers; of the plain graph that takes its place, all layers are on one level.
"""

import dataclasses

import keras

from kprune.graph import calls as graph_calls
from kprune.masking import weights
from kprune.runtime import keras_internals


@dataclasses.dataclass(frozen=True)
class Inlined:
    """Stands for a nested graph whose layers are called one by one."""

    graph: keras.Model


def find(model):
    """Returns the ids of nested graphs that share layers with others, and new
    names, by id, for layers of these."""
    operations, places = _operations(model)
    shared = [graphs for graphs in places.values() if len(graphs) > 1]
    found = set().union(*shared) - {id(model)}
    names, taken = {}, {layer.name for layer in model.layers}
    for key, operation in operations.items():
        if id(model) in places[key]:
            taken.add(operation.name)
    for key, operation in operations.items():
        if places[key] & found and id(model) not in places[key]:
            names[key] = weights.unique(operation.name, taken)
    return found, names


def _operations(model):
    """Returns the operations of a graph and of those nested in it, by id, and
    the ids of the graphs that call each."""
    graphs, operations, places = [model], {}, {}
    for graph in graphs:
        for operation, _, _ in keras_internals.nodes(graph):
            operation = weights.unwrapped(operation)
            is_new = id(operation) not in operations
            if is_new and graph_calls.followable(operation):
                graphs.append(operation)
            operations[id(operation)] = operation
            places.setdefault(id(operation), set()).add(id(graph))
    return operations, places
