"""Drops the zeros of a LiteRT file, weight by weight.

FULLY_CONNECTED version 8 reads weights as blocks or CSR. The version keeps
XNNPACK from taking over the operator: it would read the weights as dense. All
other sparse weights pass through a DENSIFY operator, which expands them once.
"""

import collections

import numpy as np

from kprune.deploy.exporting.litert import flatbuffer, forms
from kprune.deploy.exporting.result import Row

_SPARSE_VERSION = 8
# The index of the weight among an operator's inputs.
_WEIGHTS = {
    "FULLY_CONNECTED": 1,
    "CONV_2D": 1,
    "DEPTHWISE_CONV_2D": 1,
    "CONV_3D": 1,
    "TRANSPOSE_CONV": 1,
    "BATCH_MATMUL": 1,
    "GATHER": 0,
    "DEQUANTIZE": 0,
}
_KERNEL = "a sparse kernel: faster at batch 1"
_SIZE_ONLY = "size only: it is made dense when the file is loaded"
_TOO_LITTLE = "leaving zeros out would save too little"
_DENSE = "no speed: dense kernels compute zeros as any number"
_INT8 = "zeros stay zeros: gzip finds them; sparse int8 is not safe here"


def pack(content, names, packs=True):
    """Returns the bytes of a file without zeros and with a signature, and a
    `Row` for each weight.

    Args:
        content: Bytes of a dense LiteRT file.
        names: Function from a weight's array and its tensor's name to the
            name of the weight.
        packs: Whether to drop zeros. If `False`, weights stay dense.
    """
    model = flatbuffer.read(content)
    rows = []
    for graph in model.subgraphs:
        for place, users in _weights(model, graph):
            array = flatbuffer.constant(model, graph.tensors[place])
            name = names(array, graph.tensors[place].name.decode())
            stored, why = _store(model, graph, place, users, array, packs)
            zeros = 1 - np.count_nonzero(array) / array.size
            rows.append(Row(name, zeros, stored, why))
    flatbuffer.add_signature(model)
    flatbuffer.drop_unused_buffers(model)
    return flatbuffer.written(model), tuple(rows)


def _weights(model, graph):
    """Returns the (tensor index, operators that read it) of each constant
    weight."""
    users, other = collections.defaultdict(list), set(graph.outputs)
    for op in graph.operators:
        at = _WEIGHTS.get(flatbuffer.operator(model, op))
        for i, place in enumerate(op.inputs):
            if i == at:
                users[int(place)].append(op)
            else:
                other.add(int(place))
    return [
        (place, ops)
        for place, ops in users.items()
        if place >= 0
        and place not in other
        and len(graph.tensors[place].shape) > 1
        and flatbuffer.constant(model, graph.tensors[place]) is not None
    ]


def _store(model, graph, place, users, array, packs):
    """Stores one weight; returns `stored` and `why` of its `Row`."""
    if array.dtype == np.int8 or not packs:
        return _as_it_is(array, _INT8 if array.dtype == np.int8 else _DENSE)
    form = _kernel_form(model, users, array)
    if form is not None:
        flatbuffer.set_sparse(model, graph.tensors[place], form)
        code = flatbuffer.add_code(model, "FULLY_CONNECTED", _SPARSE_VERSION)
        users[0].opcodeIndex = code
        return ("block 1x4" if form.is_block else "CSR"), _KERNEL
    form = forms.size_form(array)
    if form is None:
        return _as_it_is(array, _TOO_LITTLE)
    flatbuffer.set_sparse(model, graph.tensors[place], form)
    copy = flatbuffer.add_dense_copy(model, graph, place)
    for op in users:
        op.inputs = [copy if i == place else i for i in op.inputs]
    return "DENSIFY", _SIZE_ONLY


def _as_it_is(array, why):
    """Returns `stored` and `why` of a weight left dense; `why` is empty if it
    has no zeros."""
    wide = array.dtype == np.float32
    stored = "dense" if wide else f"dense {array.dtype.name}"
    return stored, "" if array.all() else why


def _kernel_form(model, users, array):
    """Returns the form for a sparse kernel, or `None` if what reads the weight
    has no sparse kernel or gains nothing."""
    if len(users) > 1 or array.dtype != np.float32 or array.ndim != 2:
        return None
    if flatbuffer.operator(model, users[0]) != "FULLY_CONNECTED":
        return None
    return forms.kernel_form(array)
