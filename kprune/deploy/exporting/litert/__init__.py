"""Writes LiteRT files with TensorFlow's converter and a packer.

The converter's `EXPERIMENTAL_SPARSITY` is not used. If a dense layer's input
width is not a multiple of four, it silently drops the last columns, and its
sparse quantized weights give NaN or do not load.
"""

from kprune.deploy.exporting.litert import converting, forms, packing
from kprune.deploy.exporting.litert.names import Names
from kprune.deploy.exporting.result import Written
from kprune.masking import weights


def write(model, path, options):
    """Writes a stripped model as a `.tflite` file.

    `packing` drops the zeros of float32 and float16 weights, unless
    `options.sparse` is `False`; int8 weights stay dense.
    """
    content, notes = converting.convert(model, options)
    packs = options.sparse is not False and _packs(options)
    content, rows = packing.pack(content, Names(model), packs)
    path.write_bytes(content)
    return Written(rows, notes)


def gains(model, small, options):
    """Returns whether a compacted model should run faster than the original.

    It has fewer weights, but may lose the alignment in blocks of four inputs
    that sparse kernels need.
    """
    if options.sparse is False or not _packs(options) or options.quantize:
        return True
    return _cost(small) < _cost(model)


def _packs(options):
    return options.quantize in (None, "float16")


def _cost(model):
    """Returns the approximate cost of a model's weights, in multiply-adds of a
    dense kernel."""
    return sum(forms.cost(w.variable.numpy()) for w in weights.find(model))
