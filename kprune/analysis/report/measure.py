"""Measures kept weights, dead units, paths and multiply-adds."""

import math
import re
import textwrap
from typing import Any

import keras
import numpy as np

from kprune.analysis.report import drawings
from kprune.analysis.report.overlap import with_overlap
from kprune.analysis.report.result import Report
from kprune.analysis.report.row import Row
from kprune.analysis.report.saliency import with_saliency
from kprune.graph import costs
from kprune.graph import paths as following
from kprune.masking import folding, own_variables, weights, wrapping
from kprune.runtime import checks
from kprune.runtime.doors import checked
from kprune.runtime.types import Data, Loss, Masks, Model


@checked(inputs=None, against=checks.optional(checks.model_or_masks))
def report(
    model: Model,
    inputs: Any = None,
    multiply_adds: bool = True,
    *,
    paths: bool = True,
    against: Model | Masks | None = None,
    data: Data | None = None,
    loss: Loss | None = None,
    batches: int | None = None,
) -> Report:
    """Reports what each weight of a model keeps, and which were skipped.

    A weight with a mask keeps the entries of its mask. One without, as in a
    plain or stripped model, keeps its nonzero entries; a stripped model also no
    longer knows which weights were skipped in pruning. Where the model computes
    with other values than it stores, those count: values that are selected,
    thresholded or gated (by `kprune.select` and its like, at test time), and
    weights with LoRA's update. Weights quantized to integers are skipped, and
    zeros are not counted in those packed into fewer than eight bits, such as
    `"int4"`.

    Args:
        model: A built Keras model, wrapped or not. It is not modified.
        inputs: A batch of inputs as the model takes them, of which only the
            shapes and dtypes are read. Multiply-adds and paths need it if the
            model's input shape is open, such as `(None, None, 3)`.
        multiply_adds: Whether to count multiply-adds, for which the model is
            traced (a second or two for a ResNet-50). They are counted for one
            example in layers with weights: dense, convolutional, recurrent (all
            time steps), the projections of attention. Products without
            weights, such as attention scores, are not counted, nor are weights
            that something else than their own layer uses.
        paths: Whether to find the kept weights that lie on a path of kept
            weights from an input to an output, for which a copy of the model
            is traced (two or three seconds for a ResNet-50). All others, such
            as the outer taps of a 3x3 convolution on a 1x1 map, do not affect
            the output: `effective_sparsity` counts them as removed. The
            report also says how many output units and kernels lie on a path,
            and how many paths there are: see `Report`.
        against: Masks to compare with, as `kprune.get_masks` returns them, or
            a model with weights of the same names. `overlap` is the Jaccard
            index: |both keep| / |either keeps|.
        data, loss: As for `kprune.prune`. With data, `saliency` is the sum of
            |w dL/dw| over the kept weights of the pruned network (FORCE's),
            and `gradient_norm` the L2 norm of dL/dw over the same weights.
        batches: Integer >= 1, the number of batches of `data` to read.
            Defaults to all.

    Returns:
        A `Report`: `sparsity`, `kept`, `total`, `rows` and more.

    Raises:
        ValueError: If the model is not built or has no kernels, or if
            `against` or `data` does not fit it.

    Example:

    >>> model = kprune.models.lenet_300_100()
    >>> model = kprune.prune(model, "magnitude", sparsity=0.9)
    >>> report = kprune.report(model)
    >>> report.kept, report.total, report.collapsed
    (26620, 266200, ())
    >>> report.rows[2].name, report.rows[2].dead_outputs
    ('fc3/kernel', 0)
    """
    found: Any = weights.find(model) if isinstance(model, keras.Model) else []
    if not found:
        wrapping.check_model(model)  # Raises with the reason.
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
    found_in = model, variables, kept, inputs
    on_path, unfollowed = _tried(paths, following.find, *found_in)
    ways, _ = _tried(paths and not unfollowed, following.count, *found_in)
    measured = Report(
        model=model.name,
        rows=tuple(_row(w, kept[w.name], uses, on_path) for w in found),
        model_total=sum(
            math.prod(v.shape) for v in own_variables.parameters(found)
        ),
        untraced=untraced,
        unfollowed=unfollowed,
        effective_paths=None if ways == {} else ways,
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
    """Returns `(result, None)`, or `({}, reason)` if there is no result."""
    if not wanted:
        return {}, "not asked for"
    try:
        return function(*arguments), None
    except Exception as error:  # A user's `call` may raise anything.
        return {}, _one_line(error)


def _one_line(error):
    """Returns the first two lines of a message as one. For an error inside a
    layer, Keras writes the cause, in bold, on the second line."""
    plain = re.sub(r"\x1b\[\d*m", "", str(error))
    lines = [line for line in plain.splitlines() if line] or [repr(error)]
    return textwrap.shorten(" ".join(lines[:2]), 200).rstrip(".")


def _kept(found):
    """Returns a boolean array of the kept entries of each weight, by name."""
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
    """Returns the value that the layer computes with, including LoRA's."""
    layer, name = weight.layer, weight.variable.name
    adapted = getattr(layer, "lora_enabled", False)
    return getattr(layer, name, weight.variable) if adapted else weight.variable


def _packed(weight):
    """Returns whether an entry of the variable packs several of the weight."""
    mode = getattr(weight.layer, "quantization_mode", None)
    integers = weights.is_quantized(weight.layer, weight.variable)
    return integers and mode != "int8"


def _row(weight, kept, uses, on_path):
    layout = weight.layout
    view = kept.reshape(layout.view)
    count = int(np.count_nonzero(kept))
    output_units, dead_outputs = _units(view, layout.outputs)
    input_units, dead_inputs = _units(view, layout.inputs)
    # A masked weight was pruned, even if its layer was frozen afterwards.
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
        **_effective(layout, on_path.get(weight.name)),
    )


def _effective(layout, on_path):
    """Returns the fields of a row on entries, units and kernels on a path."""
    places = {*range(len(layout.view))} - {*layout.inputs, *layout.outputs}
    axes = tuple(places) if len(layout.view) == len(layout.shape) else ()
    sizes = [n for i, n in enumerate(layout.view) if i not in places]
    kernels = math.prod(sizes) if axes and layout.inputs else None
    if on_path is None:
        return {"kernels": kernels}
    view = on_path.reshape(layout.view)
    units, dead = _units(view, layout.outputs)
    return {
        "effective_kept": int(np.count_nonzero(on_path)),
        "effective_outputs": units - dead,
        "kernels": kernels,
        "effective_kernels": None
        if kernels is None
        else int(np.count_nonzero(view.any(axis=axes))),
    }


def _units(view, axes):
    """Returns the number of units along the axes, and of dead ones."""
    if not axes:
        return 0, 0
    others = tuple(axis for axis in range(view.ndim) if axis not in axes)
    alive = view.any(axis=others)
    return alive.size, int(alive.size - np.count_nonzero(alive))
