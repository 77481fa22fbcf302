"""Builds an ONNX graph from operators that runtimes support.

tf2onnx converts the frozen TensorFlow function. Operators it does not know are
copied unchanged from TensorFlow; such a file would not load, so `convert`
raises.
"""

import contextlib
import logging

import tensorflow as tf

from kprune.deploy.exporting import inputs
from kprune.runtime import extras, keras_internals
from kprune.runtime.words import one_line

_OPSET = 18  # tf2onnx 1.17 and all runtimes of recent years support it.
_MOST = (1 << 31) - 1  # Protocol buffers hold no more bytes.
_WHY = "To write ONNX"


def convert(model):
    """Returns the `onnx.ModelProto` of a stripped model.

    Inputs keep the model's names; outputs are named `output_0`, `output_1`,
    and so on. Both are in the order of `keras.tree.flatten`.

    Raises:
        ValueError: If the model is stateful, is too large, or uses an
            operation that ONNX has no operator for.
    """
    onnx = extras.load("onnx", _WHY)
    tf2onnx = extras.load("tf2onnx", _WHY)
    check_stateless(model)
    function = _named(inputs.function(model, inputs.fixed_batch(model)))
    with _quiet():
        try:
            found, _ = tf2onnx.convert.from_function(
                function, function.input_signature, opset=_OPSET
            )
        except Exception as error:  # A layer may raise anything when traced.
            raise ValueError(
                f"Model {model.name!r} cannot be converted to ONNX: "
                f"{one_line(error)}"
            ) from error
    _order_outputs(found.graph)
    _replace_erfc(onnx, found.graph)
    _check_operators(onnx, model, found.graph)
    if found.ByteSize() > _MOST:
        raise ValueError(
            f"Model {model.name!r} takes {found.ByteSize():,} bytes. An .onnx "
            "file holds 2 GiB at most: export a SavedModel."
        )
    return found


def check_stateless(model):
    """Raises `ValueError` if a model's outputs depend on earlier calls."""
    for layer in keras_internals.all_layers(model):
        if getattr(layer, "stateful", False) is True:
            raise ValueError(
                f"Layer {layer.name!r} is stateful, and an .onnx file keeps no "
                "state between calls. Expected a model without stateful "
                "layers; export a SavedModel instead."
            )


def _named(serve):
    """Returns `serve` with named outputs: tf2onnx keeps these names, and would
    use `Identity:0` otherwise."""

    def named(*x):
        return {f"output_{i}": y for i, y in enumerate(serve(*x))}

    return tf.function(
        named, input_signature=serve.input_signature, autograph=False
    )


@contextlib.contextmanager
def _quiet():
    """Silences tf2onnx, which also logs the errors it raises."""
    logger = logging.getLogger("tf2onnx")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)


def _order_outputs(graph):
    """Sorts outputs by number: TensorFlow sorts dict keys as strings."""
    graph.output.sort(key=lambda output: int(output.name.split("_")[1]))


def _replace_erfc(onnx, graph):
    """Replaces erfc(x), which exact GELU uses, by 1 - erf(x): ONNX has no
    operator for erfc."""
    one, nodes = "kprune/one", []
    for node in graph.node:
        if node.op_type != "Erfc":
            nodes.append(node)
            continue
        (x,), (y,), erf = node.input, node.output, f"{node.output[0]}/erf"
        nodes.append(onnx.helper.make_node("Erf", [x], [erf]))
        nodes.append(onnx.helper.make_node("Sub", [one, erf], [y]))
    if len(nodes) == len(graph.node):
        return
    del graph.node[:]
    graph.node.extend(nodes)
    value = onnx.helper.make_tensor(one, onnx.TensorProto.FLOAT, [], [1])
    graph.initializer.append(value)


def _check_operators(onnx, model, graph):
    missing = {
        node.op_type
        for node in _nodes(graph)
        if not onnx.defs.has(node.op_type, node.domain)
    }
    if missing:
        raise ValueError(
            f"Model {model.name!r} cannot be converted to ONNX, which has no "
            f"operator for {', '.join(sorted(missing))}. Replace what computes "
            "it, or export a SavedModel."
        )


def _nodes(graph):
    """Yields the nodes of a graph and of its subgraphs."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)
