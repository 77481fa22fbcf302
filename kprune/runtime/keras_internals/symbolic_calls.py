"""Traces code that calls layers into a graph of calls."""

import contextlib

import keras

from kprune.runtime.keras_internals.layers import all_layers, changing


def trace_layer(layer, args, kwargs):
    """Traces a layer's `call` in inference mode (see `trace`)."""
    if layer._call_has_training_arg:
        kwargs = {**kwargs, "training": False}
    with _symbolic_calls(layer), keras.StatelessScope():
        return trace(layer.call, args, kwargs)


def build_by_call(layer, args, kwargs):
    """Builds the unbuilt layers below a layer by running its `call`."""
    with _symbolic_calls(layer):
        layer.call(*args, **kwargs)


def trace(function, args, kwargs):
    """Calls a function on symbolic tensors.

    Returns:
        Tuple of the calls that lead to its outputs, a list of (operation,
        (args, kwargs), list of outputs) as from `nodes`, in the order of
        computation, and its outputs, a flat list of symbolic tensors.
    """
    outputs = keras.tree.flatten(function(*args, **kwargs))
    outputs = [x for x in outputs if isinstance(x, keras.KerasTensor)]
    return _calls_before(outputs), outputs


def _calls_before(outputs):
    order, seen, todo = [], set(), [(x, False) for x in reversed(outputs)]
    while todo:
        tensor, done = todo.pop()
        node = _node(tensor)
        if node is None or (id(node) in seen and not done):
            continue
        if done:
            arguments = node.arguments.args, node.arguments.kwargs
            order.append((node.operation, arguments, node.outputs))
            continue
        seen.add(id(node))
        todo.append((tensor, True))
        todo += [(x, False) for x in reversed(node.input_tensors)]
    return order


def _node(tensor):
    """Returns the node of the call that made a tensor, `None` for an input."""
    history = getattr(tensor, "_keras_history", None)
    if history is None or history.operation is None:
        return None
    node = history.operation._inbound_nodes[history.node_index]
    return None if node.is_input else node


@contextlib.contextmanager
def _symbolic_calls(layer):
    """Allows symbolic calls of a layer and its sublayers within the block, and
    removes their nodes afterwards."""
    with changing:
        below = all_layers(layer)
        lists = [
            nodes
            for x in below
            for nodes in (x._inbound_nodes, x._outbound_nodes)
        ]
        before = [len(nodes) for nodes in lists]
        own = [vars(one).get("compute_output_spec") for one in below]
        for one in below:
            vars(one)["compute_output_spec"] = _spec_of_call(one)
        try:
            yield
        finally:
            for one, spec in zip(below, own, strict=True):
                vars(one).pop("compute_output_spec")
                if spec is not None:
                    vars(one)["compute_output_spec"] = spec
            for nodes, count in zip(lists, before, strict=True):
                del nodes[count:]


def _spec_of_call(layer):
    """Returns a `compute_output_spec` that falls back to tracing `call`, for a
    layer whose inherited one does not take all arguments of its `call`."""
    own = layer.compute_output_spec

    def compute(*args, **kwargs):
        try:
            return own(*args, **kwargs)
        except (TypeError, NotImplementedError):
            return keras.src.backend.compute_output_spec(
                layer.call, *args, **kwargs
            )

    return compute
