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
    """All hidden neurons, by the L2 norm of what they read (Hagiwara, 1993),
    biases left out."""
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
    """Scores weights by magnitude, but for the last two layers', whose neurons
    are left to another criterion."""
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


def _norm_first(title, build):
    """Returns the entry of a method that goes on after the norm."""
    return Method(
        build.__name__,
        title=f"{title} + Norm",
        call=f'kprune.prune(model, "{build.__name__}", 0.5, data=data)',
        paper="OSSuM, submitted to ICLR 2022",
        test="tests/pruning/test_neuron_recipes.py::"
        "test_norm_goes_first_and_ossum_sees_what_is_left",
        deviation="the norm is L2, of what a neuron reads, and goes first",
        build=build,
    )


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
    _norm_first("OSSuM", ossum_norm),
    _norm_first("Linear OSSuM", linear_ossum_norm),
    _norm_first("Log OSSuM", log_ossum_norm),
)
