"""Reads a LiteRT file into editable objects, and writes it.

The schema is generated code at a private path in TensorFlow. Only this module
uses it.
"""

import flatbuffers
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kprune.deploy.exporting.litert.forms import narrowed

_IDENTIFIER = b"TFL3"
_VECTORS = {
    np.dtype(np.int32): (schema.SparseIndexVector.Int32Vector, "Int32VectorT"),
    np.dtype(np.uint16): (
        schema.SparseIndexVector.Uint16Vector,
        "Uint16VectorT",
    ),
    np.dtype(np.uint8): (schema.SparseIndexVector.Uint8Vector, "Uint8VectorT"),
}
_DTYPES = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.FLOAT16: np.float16,
    schema.TensorType.INT8: np.int8,
}
_NAMES = {v: k for k, v in vars(schema.BuiltinOperator).items()}


def read(content):
    """Returns the `schema.ModelT` in a file's bytes."""
    root = schema.Model.GetRootAsModel(bytearray(content), 0)
    return schema.ModelT.InitFromObj(root)


def written(model):
    """Returns the file bytes of a `schema.ModelT`."""
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


def operator(model, op):
    """Returns the name of an operator, e.g. `"CONV_2D"`."""
    return _NAMES[model.operatorCodes[op.opcodeIndex].builtinCode]


def add_code(model, name, version):
    """Returns the index of the operator code with this name and version, which
    is added if missing."""
    number = getattr(schema.BuiltinOperator, name)
    for place, code in enumerate(model.operatorCodes):
        if (code.builtinCode, code.version) == (number, version):
            return place
    code = schema.OperatorCodeT()
    code.builtinCode, code.version = number, version
    # Older readers use this field, a signed byte.
    code.deprecatedBuiltinCode = min(number, 127)
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def constant(model, tensor):
    """Returns the array of a dense constant of type float32, float16 or int8,
    or `None` for any other tensor."""
    data = model.buffers[tensor.buffer].data
    dtype = _DTYPES.get(tensor.type)
    if data is None or not len(data) or dtype is None or tensor.sparsity:
        return None
    shape = () if tensor.shape is None else tuple(tensor.shape)
    return np.frombuffer(bytes(data), dtype).reshape(shape)


def set_sparse(model, tensor, encoded):
    """Stores a constant tensor in the sparse form of an `Encoded`."""
    shape = [int(n) for n in tensor.shape]
    outer, last = shape[:-1], len(shape) - 1
    dims = [_dense_axis(n) for n in outer] + [_sparse_axis(encoded)]
    sparsity = schema.SparsityParametersT()
    sparsity.traversalOrder = list(range(len(shape)))
    if encoded.is_block:
        sparsity.blockMap = [last]
        sparsity.traversalOrder.append(len(shape))
        dims.append(_dense_axis(encoded.values.size // len(encoded.indices)))
    sparsity.dimMetadata = dims
    tensor.sparsity = sparsity
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(encoded.values.tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor.buffer = len(model.buffers) - 1


def add_dense_copy(model, graph, place):
    """Adds a DENSIFY operator for the sparse tensor at an index; returns the
    index of the dense tensor."""
    source = graph.tensors[place]
    tensor = schema.TensorT()
    tensor.shape, tensor.type = source.shape, source.type
    tensor.name = source.name + b"/dense"
    tensor.buffer = 0  # By convention of the format, an empty buffer.
    graph.tensors.append(tensor)
    op = schema.OperatorT()
    op.opcodeIndex = add_code(model, "DENSIFY", 1)
    op.inputs, op.outputs = [place], [len(graph.tensors) - 1]
    op.builtinOptionsType = schema.BuiltinOptions.DensifyOptions
    op.builtinOptions = schema.DensifyOptionsT()
    graph.operators.insert(0, op)
    return len(graph.tensors) - 1


def add_signature(model):
    """Adds a signature `serving_default`, with inputs named after their tensors
    and outputs named `output_0` and so on."""
    graph = model.subgraphs[0]
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
    signature.inputs = [_named(graph, place) for place in graph.inputs]
    signature.outputs = [
        _named(graph, place, f"output_{i}")
        for i, place in enumerate(graph.outputs)
    ]
    model.signatureDefs = [signature]


def _named(graph, place, name=None):
    entry = schema.TensorMapT()
    entry.name = name or graph.tensors[place].name
    entry.tensorIndex = place
    return entry


def drop_unused_buffers(model):
    """Empties the buffers that nothing references any more."""
    used = {t.buffer for graph in model.subgraphs for t in graph.tensors}
    used |= {entry.buffer for entry in model.metadata or ()}
    for place, buffer in enumerate(model.buffers):
        if place not in used:
            buffer.data = None


def _dense_axis(size):
    axis = schema.DimensionMetadataT()
    axis.format, axis.denseSize = schema.DimensionType.DENSE, size
    return axis


def _sparse_axis(encoded):
    axis = schema.DimensionMetadataT()
    axis.format = schema.DimensionType.SPARSE_CSR
    axis.arraySegmentsType, axis.arraySegments = _vector(encoded.segments)
    axis.arrayIndicesType, axis.arrayIndices = _vector(encoded.indices)
    return axis


def _vector(integers):
    integers = narrowed(integers)
    kind, name = _VECTORS[integers.dtype]
    vector = getattr(schema, name)()
    vector.values = integers
    return kind, vector
