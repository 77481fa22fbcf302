"""OSSuM: scores neurons that tell the true class from the others.

"OSSuM: A gradient-free approach for pruning neural networks at
initialization", anonymous authors, submitted to ICLR 2022.
"""

from kprune.runtime import seeds
from kprune.runtime.methods import Method
from kprune.scoring import neurons

LAST_LAYER = {  # What its entry and those of its variants say alike.
    "paper": "OSSuM, submitted to ICLR 2022",
    "build": {"granularity": "channel", "allocation": "uniform"},
    "channel": {"reduce": "sum", "side": "outgoing"},
    "channels_only": True,
}


def ossum(objective, weights, masks):
    """Scores the neurons of the last hidden layer, class by class.

        s(j, c) = sum over the examples i of class c of
                  a[i, j] (K w[j, c] - sum_k w[j, k])

    with a what the output layer is given, w its kernel, K the number of
    classes. The score of neuron j is the sum over the classes (equation 2 of
    the paper; this is 3). It is -K times the derivative of the summed
    cross-entropy by a gate on the neuron, at logits that are all zero, and
    takes one forward pass. For `kprune.Channel("sum", side="outgoing")`.

    Args:
        objective: The model, of dense output layer, and the data, of class
            numbers or one-hot labels. All of its batches are read.
        weights, masks: As for all criteria (`kprune.criteria`).

    Returns:
        Dict of one array: by the name of the output layer's kernel, the signed
        scores (d, K) in float64. Higher is kept.
    """
    found = neurons.class_sums(objective, weights, masks)
    return {found.name: found.scores()}


def by_ranks(objective, weights, masks, name, logarithms=False):
    """Returns the scores of the variant `name`, of ranks or logarithms."""
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
