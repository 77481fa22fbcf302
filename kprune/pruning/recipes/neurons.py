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
from kprune.runtime.methods import Method
from kprune.scoring import neurons


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
    return _after_norm("ossum")


def linear_ossum_norm():
    """`ossum_norm` with Linear OSSuM."""
    return _after_norm("linear_ossum")


def log_ossum_norm():
    """`ossum_norm` with Log OSSuM."""
    return _after_norm("log_ossum")


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
    return Chain((norm, Pruner(last, "channel", "uniform")))


_NORM_FIRST = {
    "paper": "OSSuM, submitted to ICLR 2022",
    "test": "tests/pruning/test_neuron_recipes.py::"
    "test_norm_goes_first_and_ossum_sees_what_is_left",
    "deviation": "the norm is L2, of what a neuron reads, and goes first",
}
METHODS = (
    Method(
        "neuron_norm",
        title="norm of neurons",
        call='kprune.prune(model, "neuron_norm", 0.5)',
        paper="Hagiwara, 1993",
        test="tests/pruning/test_neuron_recipes.py::"
        "test_norm_is_of_what_a_neuron_reads_without_its_bias",
        build=neuron_norm,
    ),
    Method(
        "neuron_random",
        title="random neurons",
        call='kprune.prune(model, "neuron_random", 0.5)',
        paper="baseline",
        test="tests/pruning/test_neuron_recipes.py::"
        "test_random_neurons_are_others_by_seed",
        build=neuron_random,
    ),
    Method(
        "ossum_norm",
        title="OSSuM + Norm",
        call='kprune.prune(model, "ossum_norm", 0.5, data=data)',
        build=ossum_norm,
        **_NORM_FIRST,
    ),
    Method(
        "linear_ossum_norm",
        title="Linear OSSuM + Norm",
        call='kprune.prune(model, "linear_ossum_norm", 0.5, data=data)',
        build=linear_ossum_norm,
        **_NORM_FIRST,
    ),
    Method(
        "log_ossum_norm",
        title="Log OSSuM + Norm",
        call='kprune.prune(model, "log_ossum_norm", 0.5, data=data)',
        build=log_ossum_norm,
        **_NORM_FIRST,
    ),
)
