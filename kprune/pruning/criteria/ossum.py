"""OSSuM: which neurons tell the true class from the others.

"OSSuM: A gradient-free approach for pruning neural networks at
initialization", anonymous authors, submitted to ICLR 2022.
"""

from kprune.runtime.methods import Method
from kprune.scoring import neurons


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
        weights: Dict of dense weights by name.
        masks: Dict of the current masks, one of the weight's shape each.

    Returns:
        Dict of one array: by the name of the output layer's kernel, the signed
        scores (d, K) in float64. Higher is kept.
    """
    found = neurons.class_sums(objective, weights, masks)
    return {found.name: found.scores()}


METHOD = Method(
    "ossum",
    title="OSSuM",
    call='kprune.prune(model, "ossum", 0.9, data=data)',
    paper="OSSuM, submitted to ICLR 2022",
    test="tests/pruning/test_ossum.py::test_ossum_is_the_double_loop",
    build={"granularity": "channel", "allocation": "uniform"},
    channel={"reduce": "sum", "side": "outgoing"},
    channels_only=True,
)
