"""Random scores: the baseline that every criterion has to beat."""

import numpy as np

from kprune.runtime import seeds
from kprune.runtime.methods import Method


def random(objective, weights, masks):
    """Scores each weight by an independent draw from U(0, 1).

    The draw depends on the objective's seed and the weight's name alone; no
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


METHOD = Method(
    "random",
    formula=r"\mathcal{U}(0, 1)",
    call='kprune.prune(model, "random", 0.9, allocation="erk")',
    paper="baseline",
    test="tests/pruning/test_criteria.py::"
    "test_random_scores_depend_on_seed_and_name_alone",
    channel={"reduce": "first"},
)
