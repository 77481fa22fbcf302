"""Inlines nested graphs into the smaller model.

If a graph shares a layer with a graph nested in it, Keras loads the file as if
each had its own layer. A user's class may share layers, because its constructor
makes them; the plain graph that replaces it has all layers on one level.
"""

import dataclasses

import keras

from kprune.graph import calls as graph_calls
from kprune.masking import weights
from kprune.runtime import keras_internals


@dataclasses.dataclass(frozen=True)
class Inlined:
    """A placeholder for a nested graph whose layers are called one by one."""

    graph: keras.Model


def find(model):
    """Returns the nested graphs to inline.

    Returns:
        The set of ids of nested graphs that share layers with other graphs,
        and a dict from the id of a layer in these to a unique new name.
    """
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
    """Returns the operations of a graph and its nested graphs, by id, and the
    ids of the graphs that call each."""
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
