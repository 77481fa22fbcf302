"""Writes OpenVINO's intermediate representation through ONNX.

OpenVINO's TensorFlow frontend does not support the `TensorList` operations of a
Keras LSTM, and adds an output to models with attention. ONNX has an LSTM
operator. Other recurrent layers become loops in ONNX, which OpenVINO cannot
read; they are unrolled.
"""

import contextlib
import pathlib

import keras

from kprune.deploy.exporting import onnx_graph, rows
from kprune.deploy.exporting.result import Written
from kprune.runtime import extras, files, keras_internals
from kprune.runtime.words import cut

_UNROLLED = (
    "Recurrent layers are unrolled, step by step: OpenVINO cannot read their "
    "loop."
)


def write(model, path, options):
    """Writes a stripped model as `.xml`, with its weights beside it as `.bin`.

    Weights stay float32, though OpenVINO defaults to float16.
    """
    del options  # The format supports neither quantization nor sparsity.
    openvino = extras.load("openvino", "To write OpenVINO's format")
    notes = ()
    try:
        converted = _convert(openvino, model)
    except ValueError:
        converted = _convert_unrolled(openvino, model)
        if converted is None:
            raise
        notes = (_UNROLLED,)
    openvino.save_model(converted, path, compress_to_fp16=False)
    return Written(rows.dense(model, "OpenVINO"), notes)


def _convert(openvino, model):
    graph = onnx_graph.convert(model)
    with files.scratch_directory() as directory:
        path = pathlib.Path(directory, "model.onnx")
        path.write_bytes(graph.SerializeToString())
        try:
            return openvino.convert_model(path)
        except Exception as error:
            raise ValueError(
                f"Model {model.name!r} cannot be converted to OpenVINO: "
                f"{_reason(error)}"
            ) from error


def _convert_unrolled(openvino, model):
    """Returns a model converted with unrolled recurrent layers, or `None` if
    it has none or they cannot be unrolled, e.g. with an unknown number of
    steps."""
    recurrent = [
        layer
        for layer in keras_internals.all_layers(model)
        if isinstance(layer, keras.layers.RNN)
    ]
    if not recurrent:
        return None
    with _unrolled(recurrent), contextlib.suppress(ValueError):
        return _convert(openvino, model)


def _reason(error):
    """Returns the reason in an OpenVINO error, without source locations."""
    lines = map(str.strip, str(error).splitlines())
    named = [line for line in lines if line.startswith("--")]
    return cut(" ".join(named).strip("- ") or str(error))


@contextlib.contextmanager
def _unrolled(layers):
    """Sets `unroll=True` on recurrent layers inside the block."""
    before = [layer.unroll for layer in layers]
    for layer in layers:
        layer.unroll = True
    try:
        yield
    finally:
        for layer, unroll in zip(layers, before, strict=True):
            layer.unroll = unroll
