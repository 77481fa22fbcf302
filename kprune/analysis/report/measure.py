"""Measures kept weights, dead units, paths and multiply-adds."""

import math
import re
import textwrap

import keras
import numpy as np

from kprune.analysis.report import drawings
from kprune.analysis.report import paths as following
from kprune.analysis.report.overlap import with_overlap
from kprune.analysis.report.result import Report
from kprune.analysis.report.row import Row
from kprune.analysis.report.saliency import with_saliency
from kprune.graph import costs
from kprune.masking import folding, own_variables, weights, wrapping
from kprune.runtime import checks
from kprune.runtime.doors import checked


@checked(inputs=None, against=checks.optional(checks.model_or_masks))
def report(
    model,
    inputs=None,
    multiply_adds=True,
    *,
    paths=True,
    against=None,
    data=None,
    loss=None,
    batches=None,
):
    """Returns what is kept of each weight of a model, and what is skipped.

    A weight with a mask counts as its mask says. One without, as in a plain
    or stripped model, is kept where it is not zero; a stripped model also no
    longer knows which weights were left out of the pruning. Where the model
    computes with something else than what it stores, that counts: what is
    selected, thresholded or gated (of `kprune.select` and its like, at test
    time), and a weight with what LoRA adds to it. Weights that are quantized
    to integers are skipped; of those packed in fewer than eight bits, such as
    `"int4"`, zeros are not seen.

    Args:
        model: A built Keras model, wrapped or not. It is left as it was.
        inputs: A batch of inputs as the model takes them, of which only the
            shapes and dtypes count. For multiply-adds and paths of a model
            whose input shape is open, such as `(None, None, 3)`.
        multiply_adds: Whether to count them, for which the model is traced
            (a second or two for a ResNet-50). Counted is what one example
            takes in layers with weights: dense, convolutional, recurrent (all
            time steps), the projections of attention. Products without
            weights, such as attention scores, are not; nor is a weight used
            by something else than its own layer.
        paths: Whether to find the kept weights that lie on a path of kept
            weights from an input to an output, for which a copy of the model
            is traced (two or three seconds for a ResNet-50). The others, the
            outer taps of a 3x3 convolution on a 1x1 map among them, compute
            nothing that is seen: `effective_sparsity` counts them as removed.
        against: Masks to compare with, as `kprune.get_masks` gives, or a
            model with the same names of weights. `overlap` is the Jaccard
            index: what both keep, of what either keeps.
        data, loss: As for `kprune.prune`. With data, `saliency` is the sum of
            |w dL/dw| over the kept weights of the pruned network (FORCE's),
            and `gradient_norm` the norm of dL/dw.
        batches: How many batches of `data` to read. Defaults to all.

    Returns:
        A `Report`: `sparsity`, `kept`, `total`, `rows` and more.

    Raises:
        ValueError: If the model is not built or has no kernels at all, or if
            `against` or `data` do not fit it.

    Example:

    >>> model = kprune.models.lenet_300_100()
    >>> model = kprune.prune(model, "magnitude", sparsity=0.9)
    >>> report = kprune.report(model)
    >>> report.kept, report.total, report.collapsed
    (26620, 266200, ())
    >>> report.rows[2].name, report.rows[2].dead_outputs
    ('fc3/kernel', 0)
    """
    found = weights.find(model) if isinstance(model, keras.Model) else []
    if not found:
        wrapping.check_model(model)  # Raises, saying what was expected.
    if folding.folds(model):
        model = wrapping.strip(model)
        found = weights.find(model)
    if data is None and (loss is not None or batches is not None):
        raise ValueError(
            "`loss` and `batches` say how the saliency is taken of `data`. "
            "Expected `data` with them. Received: data=None"
        )
    kept = _kept(found)
    uses, untraced = _tried(multiply_adds, costs.count_uses, model, inputs)
    variables = {w.name: w.variable for w in found}
    on_path, unfollowed = _tried(
        paths, following.find, model, variables, kept, inputs
    )
    measured = Report(
        model=model.name,
        rows=tuple(_row(w, kept[w.name], uses, on_path) for w in found),
        model_total=sum(
            math.prod(v.shape) for v in own_variables.parameters(found)
        ),
        untraced=untraced,
        unfollowed=unfollowed,
        drawings=drawings.draw(found, kept, on_path),
    )
    if against is not None:
        if isinstance(against, keras.Model):
            against = _kept(weights.find(against))
        measured = with_overlap(measured, kept, against)
    if data is not None:
        measured = with_saliency(measured, model, kept, data, loss, batches)
    return measured


def _tried(wanted, function, *arguments):
    """Returns a dict and no reason, or {} and the reason why not."""
    if not wanted:
        return {}, "not asked for"
    try:
        return function(*arguments), None
    except Exception as error:  # A user's model may raise anything.
        return {}, _one_line(error)


def _one_line(error):
    """Returns the head of a message; Keras writes in bold what went wrong
    inside a layer, on the second line."""
    plain = re.sub(r"\x1b\[\d*m", "", str(error))
    lines = [line for line in plain.splitlines() if line] or [repr(error)]
    return textwrap.shorten(" ".join(lines[:2]), 200).rstrip(".")


def _kept(found):
    """Returns which entries of each weight are kept, by name."""
    kept = {}
    for weight in found:
        if weight.mask is not None:
            kept[weight.name] = keras.ops.convert_to_numpy(weight.mask)
        elif _packed(weight):
            kept[weight.name] = np.ones(weight.variable.shape, bool)
        else:
            value = keras.ops.convert_to_tensor(_computed_with(weight))
            kept[weight.name] = np.asarray(value) != 0
    return kept


def _computed_with(weight):
    """Returns what the layer computes with: what LoRA adds included."""
    layer, name = weight.layer, weight.variable.name
    adapted = getattr(layer, "lora_enabled", False)
    return getattr(layer, name, weight.variable) if adapted else weight.variable


def _packed(weight):
    """Whether an entry of a variable stores several of the weight."""
    mode = getattr(weight.layer, "quantization_mode", None)
    integers = weights.is_quantized(weight.layer, weight.variable)
    return integers and mode != "int8"


def _row(weight, kept, uses, on_path):
    layout = weight.layout
    view = kept.reshape(layout.view)
    count = int(np.count_nonzero(kept))
    output_units, dead_outputs = _units(view, layout.outputs)
    input_units, dead_inputs = _units(view, layout.inputs)
    # A mask outlives its weight's freezing, and was part of the pruning.
    unmasked = weight.skipped if weight.mask is None else None
    uses = uses.get(id(weight.variable))
    if _packed(weight):
        unmasked, uses = f"{unmasked}, packed: zeros are not seen", None
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
        effective_kept=int(np.count_nonzero(on_path[weight.name]))
        if on_path
        else None,
    )


def _units(view, axes):
    """Returns how many units the axes count, and how many are dead."""
    if not axes:
        return 0, 0
    others = tuple(axis for axis in range(view.ndim) if axis not in axes)
    alive = view.any(axis=others)
    return alive.size, int(alive.size - np.count_nonzero(alive))
