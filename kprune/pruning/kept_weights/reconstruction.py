"""Updates kept weights to make up for removed ones.

The update of SparseGPT (Frantar and Alistarh, 2023) for masks of any method.
"""

import tensorflow as tf

from kprune.masking import weights, wrapping
from kprune.masking.masks import apply
from kprune.pruning import matrices, obs_columns
from kprune.pruning.granularity.base import put_back
from kprune.runtime import checks, types, user_warnings
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.scoring import read_inputs
from kprune.scoring.objective import Objective


@checked(
    objective=checks.optional(
        checks.with_attributes("a kprune.Objective", "blocks", "weights")
    ),
    damping=checks.within("[0, inf)"),
    sequential=checks.boolean,
)
def reconstruct(
    model: types.Model,
    seed: int = 0,
    *,
    objective: Objective | None = None,
    damping: float = 0.01,
    sequential: bool = False,
) -> dict[str, tuple[float, float]]:
    """Updates kept weights to restore the outputs that layers had unpruned.

        W <- W' of the same mask, with |X W - X W'|^2 of each output lowered

    where W are the weights of the objective and X the inputs of its layers on
    the data. Inputs are processed in order, and those after each make up for
    its pruned weights; an output whose error this would raise keeps its masked
    weights. Biases stay.

    In `kprune.Pruner(after_pruning=reconstruct)`, it uses the weights and the
    data that pruning used.

    Args:
        model: A wrapped, pruned model, changed in place.
        seed: Not used: nothing is drawn.
        objective: A `kprune.Objective` of the model before pruning, on
            calibration data; required. Weights that it excludes stay.
        damping: Number >= 0, the share of the mean diagonal of X'X to add.
        sequential: Whether X of each block is computed by the pruned and
            reconstructed blocks before it. Defaults to `False`.

    Returns:
        Dict from weight name to a pair of floats: |X W - X W'|^2 with the
        weights only masked, and with the updated weights.

    Raises:
        ValueError: If there is no objective or no data, or the weights differ.
            The model is then unchanged.

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
    measured = _measured(objective)
    for part in objective.blocks(point, sequential):
        own = {name: point[name] for name in part.weights}
        names = [name for name in own if name in measured]
        for name, gram in matrices.grams(part, own, names):
            layout = objective.layouts[name]
            matrix, mask = (
                matrices.of(one[name], layout) for one in (point, masks)
            )
            upper = obs_columns.factor(gram, damping, name)
            new, off = obs_columns.moved(matrix, mask, gram, upper)
            changed[name] = put_back(new, layout)
            reports[name] = tuple(float(one.sum()) for one in off)
        if not part.last:
            masked = apply({name: masks[name] for name in own}, own)
            part.settle(masked | {name: changed[name] for name in names})
    for weight in found:
        if weight.name in changed:
            value = tf.cast(changed[weight.name], weight.variable.dtype)
            weight.variable.assign(value)
    return reports  # type: ignore[return-value]


def _measured(objective):
    """Returns the names of weights whose inputs are known; warns of others."""
    unknown = read_inputs.unknown(objective.model)
    others = {n: of for n, of in unknown.items() if n in objective.weights}
    if others:
        user_warnings.warn(
            "The kept weights of these layers stay as they are, as it is not "
            f"known what they read: {others}"
        )
    return [name for name in objective.weights if name not in others]


def _check(point, masks):
    """Raises `ValueError` unless each weight has a mask of its shape."""
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
