"""NTK-SAP: conserves the spectrum of the tangent kernel (Wang et al., 2023)."""

from typing import Any

import keras
import numpy as np

from kprune.runtime import checks, seeds, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.scoring.objective import Objective


@checked(
    masks=None,
    epsilon=checks.within("(0, inf)"),
    draws=checks.at_least(1),
    examples=checks.at_least(1),
)
def ntk_sap(
    objective: Objective,
    weights: types.Tensors,
    masks: types.Masks,
    epsilon: float = 0.01,
    draws: int = 5,
    examples: int = 100,
) -> types.Scores:
    """Scores a weight by its effect on how outputs respond to perturbations.

        score = |d/dm sum over x of |f(w m; x) - f((w + epsilon n) m; x)|^2|

    For small perturbations with n from N(0, 1), the expected square is
    epsilon^2 times the trace of the neural tangent kernel. Scores depend on
    the mask alone: w is redrawn by He's normal law and x is noise from
    N(0, 1), both anew for each draw and round. No data is read. Meant to be
    iterated, twenty rounds.

    Args:
        objective, weights, masks: As for all criteria (`kprune.criteria`).
            Only the shapes of the weights are used.
        epsilon: Float > 0, the standard deviation of a perturbation.
        draws: Integer >= 1, how often weights are drawn per round. Scores are
            summed over the draws.
        examples: Integer >= 1, the number of inputs per draw. The authors
            take ten for each class.
    """
    # Each round keeps fewer weights, so `kept` gives it its own draws.
    kept = sum(int(np.count_nonzero(mask)) for mask in masks.values())
    totals: dict[str, Any] = {}
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
