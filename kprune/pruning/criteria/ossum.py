"""OSSuM: scores neurons that tell the true class from the others.

"OSSuM: A gradient-free approach for pruning neural networks at
initialization", anonymous authors, submitted to ICLR 2022.
"""

from typing import Any

from kprune.runtime import seeds, types
from kprune.runtime.methods import Method
from kprune.scoring import neurons
from kprune.scoring.objective import Objective

# Fields that the entries of OSSuM and its variants share.
LAST_LAYER: dict[str, Any] = {
    "paper": "OSSuM, submitted to ICLR 2022",
    "build": {"granularity": "channel", "allocation": "uniform"},
    "channel": {"reduce": "sum", "side": "outgoing"},
    "channels_only": True,
}


def ossum(
    objective: Objective, weights: types.Tensors, masks: types.Masks
) -> types.Scores:
    """Scores the neurons of the last hidden layer, class by class.

        s(j, c) = sum over the examples i of class c of
                  a[i, j] (K w[j, c] - sum_k w[j, k])

    with a the inputs of the output layer, w its kernel and K the number of
    classes. The score of neuron j is the sum over the classes (equation 2 of
    the paper; this is 3). It is -K times the derivative of the summed
    cross-entropy by a gate on the neuron, with all logits zero, and takes one
    forward pass. For `kprune.Channel("sum", side="outgoing")`.

    Args:
        objective: The model, with a dense output layer, and data with class
            numbers or one-hot labels. All of its batches are read.
        weights, masks: As for all criteria (`kprune.criteria`).

    Returns:
        Dict from the name of the output layer's kernel to the signed scores,
        a float64 array of shape (d, K). Higher is kept.
    """
    found = neurons.class_sums(objective, weights, masks)
    return {found.name: found.scores()}


def by_ranks(
    objective: Objective,
    weights: types.Tensors,
    masks: types.Masks,
    name: str,
    logarithms: bool = False,
) -> types.Scores:
    """Returns the scores of the variant `name`, by ranks or their logarithms.

    Args:
        objective, weights, masks: As for `ossum`.
        name: Name of the variant, which seeds its draws.
        logarithms: Whether to sum logarithms of ranks. Defaults to `False`.
    """
    found = neurons.class_sums(objective, weights, masks)
    rng = seeds.stream(objective.seed, name)
    alive = masks[found.name].any(axis=1)
    scores = neurons.rank_scores(found.scores(), alive, rng, logarithms)
    return {found.name: scores}


METHOD = Method(
    "ossum",
    title="OSSuM",
    formula=r"s_{jc} = \sum_{i : y_i = c} a_{ij} \left( K w_{jc} - \sum_k "
    r"w_{jk} \right)",
    test="tests/pruning/test_ossum.py::test_ossum_is_the_double_loop",
    **LAST_LAYER,
)
