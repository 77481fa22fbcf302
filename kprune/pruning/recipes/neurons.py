"""Methods that remove neurons of fully connected networks.

OSSuM and the baselines of its paper: "OSSuM: A gradient-free approach for
pruning neural networks at initialization", anonymous authors, submitted to
ICLR 2022. A neuron is removed with all of its weights; the output layer keeps
its units; each pruned layer loses the same share.
"""

from kprune.pruning import criteria
from kprune.pruning.chain import Chain
from kprune.pruning.granularity import Channel
from kprune.pruning.pruner import Pruner
from kprune.runtime import types
from kprune.runtime.methods import Method
from kprune.scoring import neurons
from kprune.scoring.objective import Objective


def neuron_norm() -> Pruner:
    """Returns a pruner of hidden neurons by the L2 norm of incoming weights.

    Hagiwara, 1993. Biases are not part of the norm.
    """
    return Pruner("magnitude", Channel("l2"), "uniform")


def neuron_random() -> Pruner:
    """Returns a pruner of random hidden neurons."""
    return Pruner("random", Channel("max"), "uniform")


def ossum_norm() -> Chain:
    """Returns OSSuM for deep networks.

    Earlier hidden layers are pruned by norm first, then the last one by
    OSSuM, which so scores the pruned network.
    """
    return _after_norm("ossum")


def linear_ossum_norm() -> Chain:
    """Returns `ossum_norm` with Linear OSSuM."""
    return _after_norm("linear_ossum")


def log_ossum_norm() -> Chain:
    """Returns `ossum_norm` with Log OSSuM."""
    return _after_norm("log_ossum")


def earlier_magnitude(
    objective: Objective, weights: types.Tensors, masks: types.Masks
) -> types.Scores:
    """Scores weights by magnitude, except those of the last two layers.

    Their neurons are pruned by another criterion.

    Raises:
        ValueError: If the network has fewer than two hidden dense layers.
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


def _norm_first(title, build):
    """Returns the entry of a method that prunes by norm first."""
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
