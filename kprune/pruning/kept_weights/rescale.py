"""Weights of a pruned network on the scale of one that is freshly drawn.

What is done before training in "OSSuM: A gradient-free approach for pruning
neural networks at initialization", anonymous authors, submitted to ICLR 2022.
"""

import numpy as np

from kprune.masking import weights


def rescale(model):
    """Scales each weight tensor to the range of a network of its size.

        W <- W (1 / sqrt(fan_in)) / max |W|

    with fan_in the number of inputs that a unit has left, those from which
    no weight is kept being gone. Biases and embeddings stay as they are, and
    a tensor that is all zero does.

    Args:
        model: A pruned model, or a plain one, changed in place. An optimizer
            keeps its state: compile the model anew for a fresh one.

    Example:

    >>> pruned = kprune.prune(model, "random", 0.5, granularity="channel")
    >>> kprune.kept_weights.rescale(pruned)
    """
    for weight in weights.find(model):
        if weight.skipped is not None and weight.mask is None:
            continue
        if weight.variable.name == "embeddings":  # Looked up, not summed over.
            continue
        array = np.array(weight.variable.value, np.float64)
        mask = np.ones(array.shape, bool)
        if weight.mask is not None:
            mask = np.array(weight.mask.value, bool)
        largest = np.abs(array[mask]).max(initial=0)
        if largest > 0:
            scale = _fan_in(mask, weight.layout) ** -0.5 / largest
            weight.variable.assign(array * scale)


def _fan_in(mask, layout):
    """Returns how many inputs a unit has, of those that any unit reads."""
    gates = {layout.outputs[0] - 1} if layout.view != layout.shape else set()
    over = tuple(gates | set(layout.outputs))
    return int(np.count_nonzero(mask.reshape(layout.view).any(axis=over)))
