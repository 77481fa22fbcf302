"""How large a model is: in parameters, in multiply-adds, in a file."""

import math
import pathlib
import zlib

from kprune.graph import costs
from kprune.masking import weights
from kprune.runtime import files

_CHUNK = 1 << 20
_LEVEL, _GZIP = 6, 31  # What `gzip` compresses by, and that it is a gzip file.


def parameters(model):
    """Returns the number of parameters, moving statistics included."""
    return sum(math.prod(v.shape) for v in model.weights)


def multiply_adds(model, x):
    """Returns the multiply-adds of one example of `x`, or `None` if not known.
    They are those of the kernels as they are stored, zeros included."""
    try:
        uses = costs.count_uses(model, x)
    except Exception:  # A user's model may raise anything as it is traced.
        return None
    kernels = [weight.variable for weight in weights.find(model)]
    if any(uses.get(id(v)) is None for v in kernels):
        return None
    return sum(uses[id(v)] * math.prod(v.shape) for v in kernels)


def file_sizes(model):
    """Returns how many bytes a model's `.keras` file has, and that gzipped. The
    model is not compiled: an optimizer would be saved too."""
    with files.scratch_directory() as directory:
        path = pathlib.Path(directory) / "model.keras"
        files.write_keras(path, model)
        return path.stat().st_size, _gzipped(path)


def _gzipped(path):
    compressor = zlib.compressobj(_LEVEL, wbits=_GZIP)
    with path.open("rb") as file:
        chunks = iter(lambda: file.read(_CHUNK), b"")
        size = sum(len(compressor.compress(chunk)) for chunk in chunks)
    return size + len(compressor.flush())
