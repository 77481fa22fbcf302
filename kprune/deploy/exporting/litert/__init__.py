"""Writes LiteRT files with TensorFlow's converter and a packer.

The converter's `EXPERIMENTAL_SPARSITY` is not used. Where a dense layer's input
width is no multiple of four it drops the columns behind, without a word, and
what it makes of quantized weights gives NaN or does not load.
"""

from kprune.deploy.exporting.litert import converting, forms, packing
from kprune.deploy.exporting.litert.names import Names
from kprune.deploy.exporting.result import Written
from kprune.masking import weights


def write(model, path, options):
    """Writes a stripped model as a `.tflite` file.

    Float32 and float16 weights are packed by `packing`, unless `options.sparse`
    is `False`; int8 weights stay dense.
    """
    content, notes = converting.convert(model, options)
    packs = options.sparse is not False and _packs(options)
    content, rows = packing.pack(content, Names(model), packs)
    path.write_bytes(content)
    return Written(rows, notes)


def gains(model, small, options):
    """Whether a compacted model runs better than the model itself.

    It has fewer weights, but blocks of four inputs may no longer lie where the
    sparse kernels need them.
    """
    if options.sparse is False or not _packs(options) or options.quantize:
        return True
    return _cost(small) < _cost(model)


def _packs(options):
    return options.quantize in (None, "float16")


def _cost(model):
    """Returns roughly what the weights of a model cost to compute with, in
    multiply-adds of a dense kernel."""
    return sum(forms.cost(w.variable.numpy()) for w in weights.find(model))
