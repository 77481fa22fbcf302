"""Writes a model as an ONNX file."""

from kprune.deploy.exporting import onnx_graph, onnx_quantized, rows
from kprune.deploy.exporting.result import Written


def write(model, path, options):
    """Writes a stripped model as `.onnx`, in float32 or quantized."""
    graph = onnx_graph.convert(model)
    if options.quantize is None:
        path.write_bytes(graph.SerializeToString())
        return Written(rows.dense(model, "ONNX Runtime"))
    quantized = onnx_quantized.quantize(
        graph, options.quantize, options.examples
    )
    path.write_bytes(quantized.SerializeToString())
    return onnx_quantized.describe(model, graph, quantized)
