"""What becomes of the weights that stay: the surgeon's update.

Optimal brain surgeon (Hassibi and Stork, 1993), for masks of any method.
"""

import numpy as np
import tensorflow as tf

from kprune.masking import weights, wrapping
from kprune.masking.masks import apply
from kprune.pruning.criteria import obs
from kprune.runtime import checks
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


@checked(
    objective=checks.optional(
        checks.with_attributes("a kprune.Objective", "hessian", "weights")
    ),
    damping=checks.within("(0, inf)"),
)
def surgeon(model, seed=0, *, objective=None, damping=1e-3):
    """Moves kept weights so that the loss rises least by what is pruned.

        w_kept <- w_kept + [H_kept]^-1 H_kept,pruned w_pruned

    the least of dw' H dw / 2 over all changes dw that set what is pruned to
    zero: what OBS's changes, one for each weight that it removes, come to.
    H is the Hessian of the loss at the weights before, damped as by the
    criterion `obs`. The gradient counts as zero, as of a trained network.

    As a rule of a pruner, `kprune.Pruner("obs", after_pruning=surgeon)`, it
    takes the weights and the data that were pruned by.

    Args:
        model: A wrapped model, pruned, changed in place.
        seed: Not used: nothing is drawn.
        objective: A `kprune.Objective` of the model before it was pruned.
            Weights it excludes stay.
        damping: Number > 0, the share of the mean absolute diagonal of H to
            add.

    Returns:
        How much dw' H dw / 2 rises by the masks alone, and with the kept
        weights as they are now: a pair of floats.

    Raises:
        ValueError: If there is no objective, there are more than 8,192
            weights, or they are others. The model has not been changed then.

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
    """Gives the variables of weights their part of one flat array."""
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
