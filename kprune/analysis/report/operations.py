"""Finds what a model computes between layers of known classes.

In a subclassed model's `call`, in a layer of the user's own and in a graph's
`a + b` can stand anything. It is read off the traced graph.
"""

import dataclasses

import keras
import tensorflow as tf

# Linear and nowhere negative where their inputs are so, zero where all are
# zero, and with a gradient to each input: what carries paths.
_CARRYING = {
    *("AddN", "AddV2", "AvgPool", "AvgPool3D", "BroadcastTo", "Cast"),
    *("ConcatV2", "Elu", "ExpandDims", "Identity", "LeakyRelu", "Mean"),
    *("Pack", "Pad", "Placeholder", "Relu", "Reshape", "ResizeBilinear"),
    *("ResizeNearestNeighbor", "Selu", "Slice", "Split", "SplitV", "Squeeze"),
    *("StridedSlice", "Sum", "Tile", "Transpose", "Unpack"),
}


@dataclasses.dataclass
class _Call:
    """A call of a layer: it made the operations `first` to `last - 1`."""

    layer: keras.layers.Layer
    known: bool
    graph: tf.Graph
    first: int
    last: int | None = None


class CallLog:
    """Knows which call of which layer made an operation of a graph."""

    def __init__(self):
        self._calls = []

    def watch(self, layer, call, known):
        """Returns `call`, made to be on record.

        Args:
            layer: The layer that is called.
            call: Its `call`, or what stands in for it.
            known: Whether all that it does is known to carry paths.
        """

        def watched(*args, **kwargs):
            graph = tf.compat.v1.get_default_graph()
            entry = _Call(layer, known, graph, len(graph.get_operations()))
            self._calls.append(entry)
            outputs = call(*args, **kwargs)
            entry.last = len(graph.get_operations())
            return outputs

        return watched

    def check(self, inputs, outputs):
        """Raises unless all that leads from inputs to outputs carries paths.

        Args:
            inputs: List of tensors of a graph in which layers were called.
            outputs: List of tensors of the same graph.

        Raises:
            ValueError: If an operation that no known layer made, on the way
                from the inputs to the outputs, is not known to carry paths.
        """
        graph = outputs[0].graph
        makers = self._makers(graph)
        fed = _fed_by(inputs, graph)
        for operation in _leading_to(outputs):
            call = makers.get(operation.name)
            if call is not None and call.known:
                continue
            if operation.name in fed and not _carries(operation, fed):
                where = "" if call is None else f" in {name(call.layer)}"
                raise ValueError(
                    f"no paths are known through the operation "
                    f"{operation.type}{where}"
                )

    def _makers(self, graph):
        """Returns the innermost call that made each operation, by name."""
        makers, operations = {}, graph.get_operations()
        for call in self._calls:  # Outer calls come before inner ones.
            if call.graph is graph:
                for operation in operations[call.first : call.last]:
                    makers[operation.name] = call
        return makers


def name(layer):
    """Returns how an error speaks of a layer."""
    return f"layer {layer.name!r} of class {type(layer).__name__}"


def _fed_by(inputs, graph):
    """Returns the names of the operations that the inputs lead to."""
    fed = {x.op.name for x in inputs}
    for operation in graph.get_operations():  # In the order they were made.
        if any(x.op.name in fed for x in operation.inputs):
            fed.add(operation.name)
    return fed


def _leading_to(outputs):
    """Returns the operations that lead to the outputs."""
    found, todo = {}, [z.op for z in outputs]
    while todo:
        operation = todo.pop()
        if operation.name not in found:
            found[operation.name] = operation
            todo += [x.op for x in operation.inputs]
    return list(found.values())


def _carries(operation, fed):
    """Whether an operation that inputs lead to carries paths."""
    floats = [x for x in operation.inputs if x.dtype.is_floating]
    if not any(z.dtype.is_floating for z in operation.outputs):
        # Ids carry none. But where a float becomes an id, as in `x > 0`, it
        # may decide where paths go.
        return not floats
    # A constant would look like what a path has brought.
    constant = any(x.op.name not in fed for x in floats)
    return operation.type in _CARRYING and not constant
