"""Finds the operations of a model outside layers of known classes.

A subclassed model's `call`, a user's layer and a graph's `a + b` can compute
anything. These operations are read off the traced graph.
"""

import dataclasses

import keras
import tensorflow as tf

# Operations that carry paths: on nonnegative inputs they are linear and
# nonnegative, on zeros they are zero, and each input has a gradient.
_CARRYING = {
    *("AddN", "AddV2", "AvgPool", "AvgPool3D", "BroadcastTo", "Cast"),
    *("ConcatV2", "Elu", "ExpandDims", "Identity", "LeakyRelu", "Mean"),
    *("Pack", "Pad", "Placeholder", "Relu", "Reshape", "ResizeBilinear"),
    *("ResizeNearestNeighbor", "Selu", "Slice", "Split", "SplitV", "Squeeze"),
    *("StridedSlice", "Sum", "Tile", "Transpose", "Unpack"),
}


@dataclasses.dataclass
class _Call:
    """A call of a layer: it created operations `first` to `last - 1`."""

    layer: keras.layers.Layer
    known: bool
    graph: tf.Graph
    first: int
    last: int | None = None


class CallLog:
    """Records which call of which layer created each operation of a graph."""

    def __init__(self):
        self._calls = []

    def watch(self, layer, call, known):
        """Returns `call` wrapped so that its operations are recorded.

        Args:
            layer: The layer that is called.
            call: Its `call`, or a replacement.
            known: Whether all operations of `call` are known to carry paths.
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
        """Checks that all operations from inputs to outputs carry paths.

        Args:
            inputs: List of tensors of a graph in which layers were called.
            outputs: List of tensors of the same graph.

        Raises:
            ValueError: If an operation between them is outside any known layer
                and not known to carry paths.
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
        """Returns the innermost call that created each operation, by name."""
        makers, operations = {}, graph.get_operations()
        for call in self._calls:  # Outer calls come before inner ones.
            if call.graph is graph:
                for operation in operations[call.first : call.last]:
                    makers[operation.name] = call
        return makers


def name(layer):
    """Returns a layer's name and class for an error."""
    return f"layer {layer.name!r} of class {type(layer).__name__}"


def _fed_by(inputs, graph):
    """Returns the names of the operations that depend on the inputs."""
    fed = {x.op.name for x in inputs}
    for operation in graph.get_operations():  # In order of creation.
        if any(x.op.name in fed for x in operation.inputs):
            fed.add(operation.name)
    return fed


def _leading_to(outputs):
    """Returns the operations that the outputs depend on."""
    found, todo = {}, [z.op for z in outputs]
    while todo:
        operation = todo.pop()
        if operation.name not in found:
            found[operation.name] = operation
            todo += [x.op for x in operation.inputs]
    return list(found.values())


def _carries(operation, fed):
    """Returns whether an operation that depends on inputs carries paths."""
    floats = [x for x in operation.inputs if x.dtype.is_floating]
    if not any(z.dtype.is_floating for z in operation.outputs):
        # Integers carry no paths. But an integer made from a float, as in
        # `x > 0`, may decide where paths go.
        return not floats
    # A constant could not be told from a value that a path carried.
    constant = any(x.op.name not in fed for x in floats)
    return operation.type in _CARRYING and not constant
