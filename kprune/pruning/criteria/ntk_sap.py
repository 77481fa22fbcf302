"""NTK-SAP: what the spectrum of the tangent kernel depends on (Wang et al.,
2023)."""

import keras
import numpy as np

from kprune.runtime import checks, seeds
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


@checked(
    masks=None,
    epsilon=checks.within("(0, inf)"),
    draws=checks.at_least(1),
    examples=checks.at_least(1),
)
def ntk_sap(objective, weights, masks, epsilon=0.01, draws=5, examples=100):
    """Scores a weight by how much moves of the weights move the outputs less
    without it.

        score = |d/dm sum over x of |f(w m; x) - f((w + epsilon n) m; x)|^2|

    Of small moves n from N(0, 1) the squares are in the mean epsilon^2 times
    the trace of the neural tangent kernel. So that scores are of the mask
    alone, w is drawn anew by He's normal law, x is noise from N(0, 1), and
    each draw has its own, in each round. No data is read. Meant to be
    iterated, twenty rounds.

    Args:
        objective, weights, masks: As for all criteria (`kprune.criteria`).
            Of the weights only shapes count.
        epsilon: Float > 0, the deviation of a move.
        draws: Integer >= 1, how many weights are drawn in a round. The
            gradient is summed over them.
        examples: Integer >= 1, inputs of a draw. Ten for each class is what
            the authors take.
    """
    # Each round keeps fewer, so that each has draws of its own.
    kept = sum(int(np.count_nonzero(mask)) for mask in masks.values())
    totals = {}
    for draw in range(draws):

        def rng(*names, draw=draw):
            return seeds.stream(objective.seed, "ntk_sap", *names, kept, draw)

        drawn = {n: _he(rng("weight", n), w) for n, w in weights.items()}
        moves = {
            n: epsilon * rng("move", n).normal(size=np.shape(w))
            for n, w in weights.items()
        }
        found = objective.shared.output_change.by_gates(
            drawn, moves, masks, rng("input"), examples
        )
        for name, value in found.items():
            totals[name] = value + totals.get(name, 0.0)
    return {name: abs(total) for name, total in totals.items()}


def _he(rng, w):
    draw = keras.initializers.VarianceScaling(
        scale=2.0,
        mode="fan_in",
        distribution="untruncated_normal",
        seed=int(rng.integers(2**31)),
    )
    return draw(tuple(np.shape(w)), dtype="float32")


METHOD = Method(
    "ntk_sap",
    title="NTK-SAP",
    call='kprune.prune(model, "ntk_sap", 0.9)',
    paper="Wang et al., 2023",
    link="https://arxiv.org/abs/2304.02840",
    test="tests/pruning/test_path_criteria.py::"
    "test_ntk_sap_of_a_linear_network",
    deviation="batch normalization is by each network's own batch, where "
    "the released code holds the statistics of the one that is not moved",
    build={"schedule": "exponential", "rounds": 20},
    channel={"reduce": "sum"},
)
