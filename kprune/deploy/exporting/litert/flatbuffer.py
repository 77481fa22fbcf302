"""Reads a LiteRT file into editable objects, and writes it.

The schema is generated code that TensorFlow brings at a path of its own. What
of it is used stands here alone.
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
    """Returns the objects of a file's bytes."""
    root = schema.Model.GetRootAsModel(bytearray(content), 0)
    return schema.ModelT.InitFromObj(root)


def written(model):
    """Returns the bytes of a file's objects."""
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


def operator(model, op):
    """Returns the name of an operator, as `"CONV_2D"`."""
    return _NAMES[model.operatorCodes[op.opcodeIndex].builtinCode]


def add_code(model, name, version):
    """Returns the index of an operator's code of just that version, which is
    added if it is not there."""
    number = getattr(schema.BuiltinOperator, name)
    for place, code in enumerate(model.operatorCodes):
        if (code.builtinCode, code.version) == (number, version):
            return place
    code = schema.OperatorCodeT()
    code.builtinCode, code.version = number, version
    # Older readers know a byte of it.
    code.deprecatedBuiltinCode = min(number, 127)
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def constant(model, tensor):
    """Returns the array of a constant tensor, or `None` if it is none, or of
    another type than float32, float16 and int8, or sparse already."""
    data = model.buffers[tensor.buffer].data
    dtype = _DTYPES.get(tensor.type)
    if data is None or not len(data) or dtype is None or tensor.sparsity:
        return None
    shape = () if tensor.shape is None else tuple(tensor.shape)
    return np.frombuffer(bytes(data), dtype).reshape(shape)


def set_sparse(model, tensor, encoded):
    """Stores a constant tensor as an `Encoded` says."""
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
    """Adds a tensor that DENSIFY makes of the sparse one at a place, and
    returns its place."""
    source = graph.tensors[place]
    tensor = schema.TensorT()
    tensor.shape, tensor.type = source.shape, source.type
    tensor.name = source.name + b"/dense"
    tensor.buffer = 0  # By the format's rule, the empty one.
    graph.tensors.append(tensor)
    op = schema.OperatorT()
    op.opcodeIndex = add_code(model, "DENSIFY", 1)
    op.inputs, op.outputs = [place], [len(graph.tensors) - 1]
    op.builtinOptionsType = schema.BuiltinOptions.DensifyOptions
    op.builtinOptions = schema.DensifyOptionsT()
    graph.operators.insert(0, op)
    return len(graph.tensors) - 1


def add_signature(model):
    """Names the inputs and outputs of a file after its tensors, as a signature
    that LiteRT's programs may call it by."""
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
    """Empties the buffers that nothing points at any more."""
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
