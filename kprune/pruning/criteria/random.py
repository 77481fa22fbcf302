"""Random scores: the baseline that every criterion must beat."""

from typing import Any

import numpy as np

from kprune.runtime import seeds, types
from kprune.runtime.methods import Method
from kprune.scoring.objective import Objective


def random(
    objective: Objective, weights: types.Tensors, masks: types.Masks
) -> types.Scores:
    """Scores each weight by an independent draw from U(0, 1).

    The draw depends only on the objective's seed and the weight's name. No
    data is read.

    Args:
        objective, weights, masks: As for all criteria (`kprune.criteria`).
    """
    del masks
    return {
        name: seeds.stream(objective.seed, "random", name).random(
            np.shape(w), dtype=np.float32
        )
        for name, w in weights.items()
    }


_CHANNEL = {"reduce": "first"}
_RANDOM_RATIOS: dict[str, Any] = {
    "formula": r"\mathcal{U}(0, 1)",
    "paper": "Gadhikar et al., 2023",
    "link": "https://arxiv.org/abs/2210.02412",
    "deviation": "counts are exact, not drawn; what a layer cannot take goes "
    "to the others",
    "channel": _CHANNEL,
}
METHODS = (
    Method(
        "random",
        formula=r"\mathcal{U}(0, 1)",
        call='kprune.prune(model, "random", 0.9, allocation="erk")',
        paper="baseline",
        test="tests/pruning/test_criteria.py::"
        "test_random_scores_depend_on_seed_and_name_alone",
        channel=_CHANNEL,
    ),
    Method(
        "random",
        title="random, balanced",
        call='kprune.prune(model, "random", 0.9, allocation="balanced")',
        test="tests/pruning/test_allocation.py::test_counts_by_hand",
        **_RANDOM_RATIOS,
    ),
    Method(
        "random",
        title="random, pyramidal",
        call='kprune.prune(model, "random", 0.9, allocation="pyramidal")',
        test="tests/pruning/test_allocation.py::test_counts_by_hand",
        **_RANDOM_RATIOS,
    ),
)
