"""Quantizes an ONNX graph to int8, by `onnxruntime.quantization`.

Weights are symmetric int8 with one scale per output, so that zeros stay zero.
They use seven bits (`reduce_range`): on processors without VNNI, ONNX Runtime
accumulates pairs of 8-bit products in 16 bits, which overflows. The largest
error of one transformer was 4 % with seven bits and 69 % with eight.
"""

import contextlib
import logging
import pathlib

import numpy as np

from kprune.deploy.exporting.result import Row, Written
from kprune.deploy.exporting.rows import zeros
from kprune.masking import weights
from kprune.runtime import extras, files
from kprune.runtime.words import one_line

_WHY = "To quantize for ONNX"
_INT8 = "a quarter of the bytes; zeros stay zero, and bring no speed"
_FLOAT = "ONNX Runtime has no int8 for what it goes into"
_MERGED = "float32, in a constant with others"


def quantize(graph, kind, examples):
    """Returns a copy of a graph with int8 weights.

    Args:
        graph: An `onnx.ModelProto`. It is not modified.
        kind: `"dynamic_int8"`, which computes activation ranges at each call,
            or `"int8"`, which calibrates them on `examples`.
        examples: List of lists of arrays, batches of the graph's inputs.

    Raises:
        ValueError: If ONNX Runtime cannot quantize it.
    """
    onnx = extras.load("onnx", _WHY)
    tool = extras.load("onnxruntime.quantization", _WHY)
    options = {
        "per_channel": True,
        "reduce_range": True,
        "weight_type": tool.QuantType.QInt8,
    }
    copy = onnx.ModelProto.FromString(graph.SerializeToString())
    with files.scratch_directory() as directory, _quiet():
        path = pathlib.Path(directory, "quantized.onnx")
        try:
            if kind == "dynamic_int8":
                tool.quantize_dynamic(copy, path, **options)
            else:
                batches = _Examples(onnx, graph, examples)
                tool.quantize_static(copy, path, batches, **options)
        except Exception as error:
            raise ValueError(
                f"ONNX Runtime cannot quantize this model by {kind!r}: "
                f"{one_line(error)}"
            ) from error
        return onnx.load(path)


class _Examples:
    """A calibration data reader for ONNX Runtime.

    It yields batches of the graph's fixed size, and drops incomplete ones.
    """

    def __init__(self, onnx, graph, examples):
        kinds = [x.type.tensor_type for x in graph.graph.input]
        names = [x.name for x in graph.graph.input]
        dtypes = [
            onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
            for kind in kinds
        ]
        size = kinds[0].shape.dim[0].dim_value
        self._batches = (
            {
                name: x[at : at + step].astype(dtype)
                for name, dtype, x in zip(names, dtypes, batch, strict=True)
            }
            for batch in examples
            for step in [size or len(batch[0])]
            for at in range(0, len(batch[0]) - step + 1, step)
        )

    def get_next(self):
        return next(self._batches, None)


@contextlib.contextmanager
def _quiet():
    """Silences ONNX Runtime, which advises preprocessing on the root logger."""

    def never(record):
        return False

    root = logging.getLogger()
    root.addFilter(never)
    try:
        yield
    finally:
        root.removeFilter(never)


def describe(model, graph, quantized):
    """Returns a `Written` with a row per weight of a model, by how its
    quantized graph stores it."""
    onnx = extras.load("onnx", _WHY)
    rest = {
        one.name: onnx.numpy_helper.to_array(one)
        for one in graph.graph.initializer
    }
    made = {one.name for one in quantized.graph.initializer}
    rows = []
    for weight in weights.find(model):
        name = _constant(np.asarray(weight.variable, "float32"), rest)
        rest.pop(name, None)
        if name is None:
            how = "dense", _MERGED
        elif f"{name}_quantized" in made:
            how = "int8", _INT8
        else:
            how = "dense", f"float32: {_FLOAT}"
        rows.append(Row(weight.name, zeros(weight.variable), *how))
    return Written(tuple(rows))


def _constant(array, constants):
    """Returns the name of the constant that holds a weight, or `None`.

    tf2onnx transposes kernels and folds batch normalization into them, but
    keeps the number of zeros. Of several candidates, the one whose sum of
    absolute values is nearest is chosen.
    """
    count, total = np.count_nonzero(array), np.abs(array).sum()
    fits = {
        name: abs(np.abs(one).sum() - total)
        for name, one in constants.items()
        if one.size == array.size and np.count_nonzero(one) == count
    }
    return min(fits, key=fits.get, default=None)
