"""What becomes of the weights that stay: they make up for those that went.

The update of SparseGPT (Frantar and Alistarh, 2023) for masks of any method.
"""

import numpy as np
import tensorflow as tf

from kprune.masking import weights, wrapping
from kprune.masking.masks import apply
from kprune.pruning import matrices, obs_columns
from kprune.pruning.granularity.base import put_back
from kprune.runtime import checks, user_warnings
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.scoring import read_inputs


@checked(
    objective=checks.optional(
        checks.with_attributes("a kprune.Objective", "inputs", "weights")
    ),
    damping=checks.within("[0, inf)"),
)
def reconstruct(model, seed=0, *, objective=None, damping=0.01):
    """Moves kept weights so that layers give what they gave before pruning.

        W <- W' of the same mask, with |X W - X W'|^2 of each output lowered

    where W are the weights of the objective and X what its layers read, from
    the data. Inputs are gone through in order, and those after each make up
    for what it loses; an output that would end further off than with its
    weights just masked keeps them. Biases stay.

    As a rule of a pruner, `kprune.Pruner(after_pruning=reconstruct)`, it takes
    the weights and the data that were pruned by.

    Args:
        model: A wrapped model, pruned, changed in place.
        seed: Not used: nothing is drawn.
        objective: A `kprune.Objective` of the model before it was pruned, on
            calibration data. Weights it excludes stay.
        damping: Number >= 0, the share of the mean diagonal of X'X to add.

    Returns:
        Dict from weight name to |X W - X W'|^2 with the weights just masked,
        and as they are now: a pair of floats.

    Raises:
        ValueError: If there is no objective or no data, or the weights are
            others. The model has not been changed then.

    Example:

    >>> objective = kprune.Objective(model, train.take(1))
    >>> pruned = kprune.prune(model, "magnitude", 0.5)
    >>> errors = kprune.kept_weights.reconstruct(pruned, objective=objective)
    """
    del seed
    if objective is None:
        raise ValueError(
            "Reconstruction needs the weights before pruning and calibration "
            "data. Expected `objective=kprune.Objective(model, data, loss)` "
            "of the model before. Received: None"
        )
    found, masks = weights.find(model), wrapping.get_masks(model)
    point = apply(objective.masks, objective.weights)
    _check(point, masks)
    changed, reports = {}, {}
    names = _measured(objective)
    for name, gram in matrices.grams(objective, point, names):
        layout = objective.layouts[name]
        matrix, mask = (
            matrices.of(one[name], layout) for one in (point, masks)
        )
        new, reports[name] = _moved(matrix, mask, gram, damping, name)
        changed[name] = put_back(new, layout)
    for weight in found:
        if weight.name in changed:
            value = tf.cast(changed[weight.name], weight.variable.dtype)
            weight.variable.assign(value)
    return reports


def _measured(objective):
    """Returns the names of the weights of which it is known what they read,
    with a warning if there are others."""
    unknown = read_inputs.unknown(objective.model)
    others = {n: of for n, of in unknown.items() if n in objective.weights}
    if others:
        user_warnings.warn(
            "The kept weights of these layers stay as they are, as it is not "
            f"known what they read: {others}"
        )
    return [name for name in objective.weights if name not in others]


def _moved(matrix, mask, gram, damping, name):
    """Returns the matrix with kept weights moved, and what it is off by."""
    masked = np.where(mask, matrix, 0).astype(np.float64)
    upper = obs_columns.factor(gram, damping, name)
    decide = obs_columns.by_masks(mask)
    new, _ = obs_columns.swept(matrix, upper, decide, obs_columns.BLOCK)
    before, after = (
        obs_columns.errors(gram, matrix, one) for one in (masked, new)
    )
    new = np.where(after < before, new, masked)
    return new, (float(before.sum()), float(np.minimum(before, after).sum()))


def _check(point, masks):
    """Raises `ValueError` unless there are masks of these weights' shapes."""
    wrong = {
        name: getattr(masks.get(name), "shape", None)
        for name, w in point.items()
        if name not in masks or masks[name].shape != tuple(w.shape)
    }
    if wrong:
        raise ValueError(
            "Expected a model with masks of the objective's weights, of "
            f"their shapes. Received masks of the shapes: {wrong}"
        )


METHOD = Method(
    "reconstruct",
    title="SparseGPT, reconstruction of given masks",
    call="kprune.kept_weights.reconstruct(model, objective=objective)",
    paper="Frantar and Alistarh, 2023",
    link="https://arxiv.org/abs/2301.00774",
    test="tests/pruning/test_sparsegpt.py::"
    "test_reconstruction_never_raises_the_error",
    deviation="an output that would be further off than without it stays",
)
