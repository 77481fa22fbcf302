"""Methods that remove neurons of fully connected networks.

OSSuM and what its paper compares it with: "OSSuM: A gradient-free approach
for pruning neural networks at initialization", anonymous authors, submitted
to ICLR 2022. A neuron goes with all that belongs to it; the output layer keeps
its units; each layer that is pruned loses the same share.
"""

from kprune.pruning import criteria
from kprune.pruning.chain import Chain
from kprune.pruning.granularity import Channel
from kprune.pruning.pruner import Pruner
from kprune.scoring import neurons

_READ = Channel("sum", side="outgoing")


def ossum():
    """OSSuM: the last hidden layer, in one forward pass over the data."""
    return Pruner("ossum", _READ, "uniform")


def linear_ossum():
    """Linear OSSuM: by sums over the classes of the neurons' ranks."""
    return Pruner("linear_ossum", _READ, "uniform")


def log_ossum():
    """Log OSSuM: by sums over the classes of the logarithms of the ranks."""
    return Pruner("log_ossum", _READ, "uniform")


def neuron_norm():
    """All hidden neurons, by the L2 norm of what they read (Hagiwara, 1993).

    Biases do not count.
    """
    return Pruner("magnitude", Channel("l2"), "uniform")


def neuron_random():
    """All hidden neurons, at random."""
    return Pruner("random", Channel("max"), "uniform")


def ossum_norm():
    """OSSuM for deep networks: the last hidden layer by OSSuM, those before
    it by norm, and first, so that OSSuM sees what is left of them."""
    return _after_norm(ossum())


def linear_ossum_norm():
    """`ossum_norm` with Linear OSSuM."""
    return _after_norm(linear_ossum())


def log_ossum_norm():
    """`ossum_norm` with Log OSSuM."""
    return _after_norm(log_ossum())


def earlier_magnitude(objective, weights, masks):
    """Scores weights by magnitude, but those of the last two layers.

    The last hidden layer and the output layer get no scores: neurons of the
    last hidden layer are left to another criterion.

    Args:
        objective: The model, of dense layers.
        weights: Dict of dense weights by name.
        masks: Dict of the current masks.

    Returns:
        Dict of scores by name, each of its weight's shape. Higher is kept.

    Raises:
        ValueError: If there is no hidden layer before the last.
    """
    reads = [read.name for read in neurons.hidden_layers(objective.model)]
    if len(reads) < 3:
        raise ValueError(
            "Methods that end in `_norm` are for networks of two or more "
            "hidden dense layers. Expected the same method without it, such as "
            f"'ossum', for model {objective.model.name!r}. Received: layers of "
            f"{reads}"
        )
    scores = criteria.get("magnitude")(objective, weights, masks)
    return {n: score for n, score in scores.items() if n not in reads[-2:]}


def _after_norm(last):
    norm = Pruner(earlier_magnitude, Channel("l2"), "uniform")
    return Chain((norm, last))


METHODS = {
    f.__name__: f
    for f in (
        ossum,
        linear_ossum,
        log_ossum,
        neuron_norm,
        neuron_random,
        ossum_norm,
        linear_ossum_norm,
        log_ossum_norm,
    )
}
