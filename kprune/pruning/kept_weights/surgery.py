"""The update of kept weights by optimal brain surgeon, for any masks.

Hassibi and Stork, 1993.
"""

import numpy as np
import tensorflow as tf

from kprune.masking import weights, wrapping
from kprune.masking.masks import apply
from kprune.pruning.criteria import obs
from kprune.runtime import checks, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.scoring.objective import Objective


@checked(
    objective=checks.optional(
        checks.with_attributes("a kprune.Objective", "hessian", "weights")
    ),
    damping=checks.within("(0, inf)"),
)
def surgeon(
    model: types.Model,
    seed: int = 0,
    *,
    objective: Objective | None = None,
    damping: float = 1e-3,
) -> tuple[float, float]:
    """Updates kept weights to minimize the loss increase of pruning.

        w_kept <- w_kept + [H_kept]^-1 H_kept,pruned w_pruned

    This minimizes dw' H dw / 2 over all changes dw that set pruned weights to
    zero: the sum of OBS's updates, one for each weight that it removes. H is
    the Hessian of the loss at the weights before pruning, damped as in the
    criterion `obs`. The gradient is taken as zero, as in a trained network.

    In `kprune.Pruner("obs", after_pruning=surgeon)`, it uses the weights and
    the data that pruning used.

    Args:
        model: A wrapped, pruned model, changed in place.
        seed: Not used: nothing is drawn.
        objective: A `kprune.Objective` of the model before pruning; required.
            Weights that it excludes stay.
        damping: Number > 0, the share of the mean absolute diagonal of H to
            add.

    Returns:
        A pair of floats: dw' H dw / 2 with the weights only masked, and with
        the kept weights updated.

    Raises:
        ValueError: If there is no objective, there are more than 8,192
            weights, or the weights differ. The model is then unchanged.

    Example:

    >>> net = kprune.models.fc((4,), input_shape=(8, 8, 1))
    >>> objective = kprune.Objective(net, train.take(1))
    >>> pruned = kprune.prune(net, "magnitude", 0.5)
    >>> alone, moved = kprune.kept_weights.surgeon(pruned, objective=objective)
    >>> moved < alone
    True
    """
    del seed
    if objective is None:
        raise ValueError(
            "The surgeon needs the Hessian at the weights before pruning. "
            "Expected `objective=kprune.Objective(model, data, loss)` of the "
            "model before. Received: None"
        )
    found, masks = weights.find(model), wrapping.get_masks(model)
    before = apply(objective.masks, objective.weights)
    # Raises unless there are masks of these weights' shapes.
    apply({name: masks[name] for name in before if name in masks}, before)
    flat = _flat(before).astype(np.float64)
    kept = _flat({name: masks[name] for name in before})
    hessian = obs.damped_hessian(objective, before, damping)
    change = np.where(kept, 0.0, -flat)
    alone = float(change @ hessian @ change) / 2
    push = hessian[np.ix_(kept, ~kept)] @ flat[~kept]
    change[kept] = np.linalg.solve(hessian[np.ix_(kept, kept)], push)
    _assign(found, before, flat + change)
    return alone, float(change @ hessian @ change) / 2


def _flat(arrays):
    return np.concatenate([np.ravel(array) for array in arrays.values()])


def _assign(found, before, values):
    """Assigns to the variables of weights their parts of one flat array."""
    variables, start = {w.name: w.variable for w in found}, 0
    for name, w in before.items():
        size = int(np.prod(w.shape))
        part = values[start : start + size].reshape(w.shape)
        variables[name].assign(tf.cast(part, variables[name].dtype))
        start += size


METHOD = Method(
    "surgeon",
    title="OBS, its change of the weights for given masks",
    call="kprune.kept_weights.surgeon(model, objective=objective)",
    paper="Hassibi and Stork, 1993",
    link="https://proceedings.neurips.cc/paper/1992/hash/"
    "303ed4c69846ab36c2904d3ba8573050-Abstract.html",
    test="tests/pruning/test_surgeon.py::test_the_surgeon_by_hand",
    deviation="of all that is pruned at once, with one Hessian",
)
