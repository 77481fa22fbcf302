"""Measures parameters, multiply-adds and file sizes."""

import math
import pathlib

from kprune.deploy.exporting.sizes import measure
from kprune.graph import costs
from kprune.masking import weights
from kprune.runtime import files


def parameters(model):
    """Returns a model's number of parameters, moving statistics included."""
    return sum(math.prod(v.shape) for v in model.weights)


def multiply_adds(model, x):
    """Returns the multiply-adds per example of `x`, or `None` if unknown. Zeros
    in kernels count like other entries."""
    found = by_weight(model, x).values()
    return None if None in found else sum(found)


def by_weight(model, x):
    """Returns a dict from the name of each weight to its multiply-adds per
    example, `None` if unknown."""
    try:
        uses = costs.count_uses(model, x)
    except Exception:  # A user's model may raise anything when traced.
        uses = {}
    found = {}
    for weight in weights.find(model):
        count = uses.get(id(weight.variable))
        size = math.prod(weight.variable.shape)
        found[weight.name] = None if count is None else count * size
    return found


def write(model, directory):
    """Writes a model to a new `.keras` file; returns its path. The model must
    not be compiled: its optimizer would be saved too."""
    path = pathlib.Path(directory, "model.keras")
    files.write_keras(path, model)
    return path


def file_sizes(model):
    """Returns the bytes of a model's `.keras` file, plain and gzipped."""
    with files.scratch_directory() as directory:
        return measure(write(model, directory))
