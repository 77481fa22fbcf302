"""What is left of a model: kept weights, dead units, multiply-adds."""

import math
import re
import textwrap

import keras
import numpy as np

from kprune import masking, weights
from kprune.report import multiply_adds as counting
from kprune.report.result import Report, Row


def report(model, inputs=None, multiply_adds=True):
    """Returns what is kept of each weight of a model, and what is skipped.

    A weight with a mask counts as its mask says. One without, as in a plain
    or stripped model, is kept where it is not zero; a stripped model also no
    longer knows which weights were left out of the pruning.

    Args:
        model: A built Keras model, wrapped or not. It is left as it was.
        inputs: A batch of inputs as the model takes them, of which only the
            shapes and dtypes count. For multiply-adds of a model whose input
            shape is open, such as `(None, None, 3)`.
        multiply_adds: Whether to count them, for which the model is traced
            (a second or two for a ResNet-50). Counted is what one example
            takes in layers with weights: dense, convolutional, recurrent (all
            time steps), the projections of attention. Products without
            weights, such as attention scores, are not; nor is a weight used
            by something else than its own layer.

    Returns:
        A `Report`: `sparsity`, `kept`, `total`, `rows` and more.

    Raises:
        ValueError: If the model is not built or has no kernels at all.

    Example:

    >>> model = kprune.models.lenet_300_100()
    >>> model = kprune.prune(model, "magnitude", sparsity=0.9)
    >>> report = kprune.report(model)
    >>> report.kept, report.total
    (26620, 266200)
    >>> report.rows[2].name, report.rows[2].dead_outputs
    ('fc3/kernel', 0)
    """
    found = weights.find(model) if isinstance(model, keras.Model) else []
    if not found:
        masking.check_model(model)  # Raises, saying what was expected.
    uses, untraced = {}, "not asked for"
    if multiply_adds:
        uses, untraced = _uses(model, inputs)
    masks = {id(w.mask) for w in found}
    parameters = [v for v in model.weights if id(v) not in masks]
    return Report(
        model=model.name,
        rows=tuple(_row(w, uses.get(id(w.variable))) for w in found),
        model_total=sum(math.prod(v.shape) for v in parameters),
        untraced=untraced,
    )


def _uses(model, inputs):
    """Returns the uses of each weight, or {} and the reason why not."""
    try:
        return counting.count_uses(model, inputs), None
    except Exception as error:  # A user's model may raise anything.
        return {}, _one_line(error)


def _one_line(error):
    """Returns the head of a message; Keras writes in bold what went wrong
    inside a layer, on the second line."""
    plain = re.sub(r"\x1b\[\d*m", "", str(error))
    lines = [line for line in plain.splitlines() if line] or [repr(error)]
    return textwrap.shorten(" ".join(lines[:2]), 200).rstrip(".")


def _row(weight, uses):
    kept = _kept(weight)
    layout = weight.layout
    view = kept.reshape(layout.view)
    count = int(np.count_nonzero(kept))
    output_units, dead_outputs = _units(view, layout.outputs)
    input_units, dead_inputs = _units(view, layout.inputs)
    # A mask outlives its weight's freezing, and was part of the pruning.
    unmasked = weight.skipped if weight.mask is None else None
    return Row(
        name=weight.name,
        shape=layout.shape,
        kept=count,
        total=layout.size,
        output_units=output_units,
        dead_outputs=dead_outputs,
        input_units=input_units,
        dead_inputs=dead_inputs,
        skipped=weight.note or unmasked,
        multiply_adds=None if uses is None else layout.size * uses,
        sparse_multiply_adds=None if uses is None else count * uses,
    )


def _kept(weight):
    if weight.mask is not None:
        return np.asarray(keras.ops.convert_to_tensor(weight.mask))
    return np.asarray(keras.ops.convert_to_tensor(weight.variable)) != 0


def _units(view, axes):
    """Returns how many units the axes count, and how many are dead."""
    if not axes:
        return 0, 0
    others = tuple(axis for axis in range(view.ndim) if axis not in axes)
    alive = view.any(axis=others)
    return alive.size, int(alive.size - np.count_nonzero(alive))
