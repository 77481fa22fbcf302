"""Measures parameters, multiply-adds and file sizes."""

import math
import pathlib

from kprune.deploy.exporting.sizes import measure
from kprune.graph import costs
from kprune.masking import weights
from kprune.runtime import files


def parameters(model):
    """Returns the number of parameters, moving statistics included."""
    return sum(math.prod(v.shape) for v in model.weights)


def multiply_adds(model, x):
    """Returns the multiply-adds of one example of `x`, or `None` if not known.
    They are those of the kernels as they are stored, zeros included."""
    found = by_weight(model, x).values()
    return None if None in found else sum(found)


def by_weight(model, x):
    """Returns the multiply-adds of one example by the name of a weight, `None`
    where they are not known."""
    try:
        uses = costs.count_uses(model, x)
    except Exception:  # A user's model may raise anything as it is traced.
        uses = {}
    found = {}
    for weight in weights.find(model):
        count = uses.get(id(weight.variable))
        size = math.prod(weight.variable.shape)
        found[weight.name] = None if count is None else count * size
    return found


def write(model, directory):
    """Returns the path of a new `.keras` file of a model. The model is not
    compiled: an optimizer would be saved too."""
    path = pathlib.Path(directory, "model.keras")
    files.write_keras(path, model)
    return path


def file_sizes(model):
    """Returns how many bytes a model's `.keras` file has, and that gzipped."""
    with files.scratch_directory() as directory:
        return measure(write(model, directory))
