"""Writes OpenVINO's intermediate representation through ONNX.

OpenVINO's own reading of a TensorFlow function lacks what Keras makes of an
LSTM (`TensorList`), and gives a model with attention an output more. ONNX has
an operator for an LSTM. Of other recurrent layers its graph has a loop, which
OpenVINO cannot read: those are unrolled.
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
    """Writes a stripped model as `.xml`, and its weights beside it as `.bin`.
    They are in float32, as the model's are: OpenVINO halves them by itself."""
    del options  # It has neither quantization nor sparse weights.
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
    """Returns what becomes of a model without its loops, or `None` where it has
    none, or these cannot be unrolled, as if the number of steps is open."""
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
    """Returns what OpenVINO says failed, without where in its source."""
    lines = map(str.strip, str(error).splitlines())
    named = [line for line in lines if line.startswith("--")]
    return cut(" ".join(named).strip("- ") or str(error))


@contextlib.contextmanager
def _unrolled(layers):
    """Makes recurrent layers compute without a loop."""
    before = [layer.unroll for layer in layers]
    for layer in layers:
        layer.unroll = True
    try:
        yield
    finally:
        for layer, unroll in zip(layers, before, strict=True):
            layer.unroll = unroll
