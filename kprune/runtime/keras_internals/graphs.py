"""Reads and rebuilds models that are graphs of layers."""

import contextlib
import functools
import inspect

import keras

from kprune.runtime.keras_internals.layers import (
    attributes,
    changing,
    swap_children,
    track_anew,
)


@functools.cache
def functional_class():
    """Returns the class of models made from inputs and outputs.

    Keras exports `Model` and `Sequential` but not `Functional`.
    """
    inputs = keras.Input((1,))
    # Keras 3.12 does not accept an input as an output.
    return type(keras.Model(inputs, keras.layers.Identity()(inputs)))


def is_graph(model):
    """Returns whether a model is a graph of layers (Sequential, Functional)."""
    return isinstance(model, (keras.Sequential, functional_class()))


def computes_by_graph(model):
    """Returns whether a model is a graph of layers and its class does not
    override `call`, so that calls go through the graph."""
    bases = (keras.Sequential, functional_class())
    return is_graph(model) and type(model).call in [x.call for x in bases]


def held_graphs(model):
    """Returns the graphs of layers among the attributes of a model. A model may
    be built on the tensors of such a graph without calling it."""
    return list(filter(is_graph, _held_layers(model)))


def layers_beside(model):
    """Returns the layers among the attributes of a graph that it does not call,
    such as those that preprocess its inputs; empty if it is not a graph."""
    if not is_graph(model):
        return []
    called = {id(x) for child in model.layers for x in child._flatten_layers()}
    return [x for x in _held_layers(model) if id(x) not in called]


def unlisted_layers(layer):
    """Returns the layers among a layer's attributes that Keras does not track
    as sublayers: before Keras 3.15, a graph omits those it does not call."""
    listed = set(map(id, layer._flatten_layers()))
    return [x for x in _held_layers(layer) if id(x) not in listed]


def _held_layers(layer):
    found, todo = [], [value for _, value in attributes(layer)]
    while todo:
        value = todo.pop(0)
        if isinstance(value, dict):
            todo.extend(value.values())
        elif isinstance(value, (list, tuple)):
            todo.extend(value)
        elif isinstance(value, keras.layers.Layer):
            found.append(value)
    return found


def lists_layers(model):
    """Returns whether the config of a graph model lists its layers.

    That of a subclass with a constructor of its own does not: the constructor
    makes new layers.
    """
    if not is_graph(model):
        return False
    sequential = isinstance(model, keras.Sequential)
    base = keras.Sequential if sequential else functional_class()
    own, expected = (
        inspect.getfullargspec(cls.__init__) for cls in (type(model), base)
    )
    return own.args == expected.args or bool(own.varargs and own.varkw)


@contextlib.contextmanager
def not_compiled(model):
    """Makes a model count as not compiled, so that `clone_model` does not copy
    its compile state.

    It would rebuild loss and metrics from their configs, and fail as a whole
    if one of them (a lambda, say) has none.
    """
    with changing:
        compiled = model.compiled
        model.compiled = False
        try:
            yield
        finally:
            model.compiled = compiled


def clone_graph(model, clone, replaced):
    """Returns a rebuilt Functional model, with layers from `clone`.

    Inputs keep their kind, optional and sparse ones too, which `clone_model`
    makes plain. Adds the new symbolic tensors to `replaced`, a `ByIdentity`
    from the old ones, and reuses inputs that are already in it, since a graph
    around this one may share them.
    """
    walk = nodes(model)

    def again(x):
        if x in replaced:
            return replaced[x]
        layer = x._keras_history.operation
        new = type(layer).from_config(layer.get_config()).output
        replaced[x] = new
        return new

    def call(operation, *args, **kwargs):
        outputs = operation(*args, **kwargs)
        _, _, old = next(walk)
        new = keras.tree.flatten(outputs)
        replaced.update(zip(old, new, strict=False))
        return outputs

    inputs = keras.tree.map_structure(again, model.input)
    return rerun(model, inputs, clone, call)


def rerun(model, inputs, clone, call):
    """Returns a Functional model's graph on new inputs, not compiled, of the
    same class if its config lists its layers.

    Does as `keras.models.clone_model` with a `call_function`, which mistakes
    some custom constructors for that of a Functional model before Keras 3.15.
    """
    outputs = model._run_through_graph(inputs, operation_fn=clone, call_fn=call)
    cls = type(model) if lists_layers(model) else functional_class()
    return cls(inputs, outputs, name=model.name)


def forget_calls(model):
    """Removes the calls of a graph from its layers' nodes, so that they count
    only the calls of a graph rebuilt over them."""
    for node in _nodes(model):
        if node.is_input:
            continue
        calls_of = [node.operation._inbound_nodes]
        for tensor in node.input_tensors:
            calls_of.append(tensor._keras_history.operation._outbound_nodes)
        for found in calls_of:
            found[:] = [one for one in found if one is not node]


def adopt_graph(model, graph, replaced):
    """Makes a model compute by another graph, in place.

    Args:
        model: A graph of a class with a constructor of its own, not compiled.
        graph: The same graph with layers replaced, a plain model.
        replaced: `ByIdentity` from each layer and symbolic tensor of `model`
            to its replacement in `graph`. Attributes of `model` are replaced
            too.
    """
    swap_children(model, lambda x: replaced.get(x, x))
    track_anew(model, replaced)
    if isinstance(model, keras.Sequential):
        model.add(model.pop(rebuild=False))  # Reconnects the layers.
    else:
        inputs, outputs = graph.input, graph.output
        functional_class().__init__(model, inputs, outputs, name=model.name)


def output_layers(model):
    """Returns the layers nearest to the outputs that may hold weights.

    Walks back from each output of a graph through layers without weights
    (activations, reshapes) to the first layer with weights.
    """
    if isinstance(model, keras.Sequential):
        held = [layer for layer in model.layers if layer.weights]
        return held[-1:]
    found, seen = [], set()
    todo = [
        t._keras_history.operation for t in keras.tree.flatten(model.outputs)
    ]
    while todo:
        operation = todo.pop()
        if id(operation) in seen:
            continue
        seen.add(id(operation))
        if getattr(operation, "weights", None):
            found.append(operation)
            continue
        for node in operation._inbound_nodes:
            todo += [t._keras_history.operation for t in node.input_tensors]
    return found


def nodes(model):
    """Yields the calls in a graph of layers, in the order of computation:
    (operation, (args, kwargs), list of outputs), with symbolic tensors.

    Keras keeps them in lists by depth. A Sequential model passes only a layer's
    output to the next layer, so keyword arguments that Keras adds are omitted.
    """
    chain = isinstance(model, keras.Sequential)
    for node in _nodes(model):
        if node.is_input:
            continue
        arguments = node.arguments.args, node.arguments.kwargs
        if chain:
            arguments = node.arguments.args, {}
        yield node.operation, arguments, node.outputs


def _nodes(model):
    """Returns Keras' nodes of a graph; empty for an unbuilt Sequential."""
    if isinstance(model, keras.Sequential):
        model = model._functional
    by_depth = getattr(model, "_nodes_by_depth", {})
    return [x for depth in sorted(by_depth)[::-1] for x in by_depth[depth]]


def calls(layer):
    """Returns the number of symbolic calls of a layer."""
    return len(layer._inbound_nodes)


def fed_arguments(operation):
    """Returns which arguments of a graph's operation are symbolic tensors.

    Returns:
        List of booleans, one per flat positional argument; False is a constant,
        as in `x / 255`. `None` if there are no calls, or they differ.
    """
    found = [
        [
            isinstance(x, keras.KerasTensor)
            for x in keras.tree.flatten(node.arguments.args)
        ]
        for node in operation._inbound_nodes
    ]
    alike = found and all(one == found[0] for one in found)
    return found[0] if alike else None


def last_layers(model):
    """Returns the layers whose outputs are the model's outputs."""
    if isinstance(model, keras.Sequential):
        return model.layers[-1:]
    operations = [
        tensor._keras_history.operation
        for tensor in keras.tree.flatten(model.outputs)
    ]
    return [getattr(op, "layer", op) for op in operations]
