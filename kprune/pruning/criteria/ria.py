"""RIA: relative importance and activations (Zhang et al., 2024)."""

import numpy as np

from kprune.masking.masks import apply
from kprune.pruning import matrices
from kprune.runtime import checks, types
from kprune.runtime.methods import Method
from kprune.scoring.objective import Objective


def ria(
    objective: Objective,
    weights: types.Tensors,
    masks: types.Masks,
    power: float = 0.5,
) -> types.Scores:
    """Scores a weight by its shares of its input's and output's weights.

        score = (|w_ij| / sum_i |w_ij| + |w_ij| / sum_j |w_ij|) ||x_j||_2^a

    with sums over the kept weights of input j and of output i, and x_j the
    values that input j reads over all of the data, at W = w * mask. No input
    or output is emptied for the scale of its weights alone. For trained
    networks, on data like that which they are used on.

    Args:
        objective, weights, masks: As for all criteria (`kprune.criteria`).
        power: Float >= 0, a. At 0 the score is relative importance alone.
            Defaults to 0.5.
    """
    checks.number("power", power, "[0, inf)")
    point = apply(masks, weights)
    moments = objective.inputs(point)

    def score(name, matrix):
        kept = np.abs(matrices.of(point[name], objective.layouts[name]))
        sizes, relative = np.abs(matrix), 0
        for axis in (0, 1):
            sums = kept.sum(axis, keepdims=True)
            relative = relative + sizes / np.where(sums > 0, sums, 1)
        return relative * moments[name][:, None] ** (power / 2)

    return matrices.scored(objective, weights, score)


METHOD = Method(
    "ria",
    title="RIA",
    formula=r"\left( \frac{\lvert w_{ij} \rvert}{\sum_i \lvert w_{ij} \rvert} "
    r"+ \frac{\lvert w_{ij} \rvert}{\sum_j \lvert w_{ij} \rvert} \right) "
    r"\lVert x_j \rVert_2^a",
    call='kprune.prune(model, "ria", 0.5, data=data)',
    paper="Zhang et al., 2024",
    link="https://iclr.cc/virtual/2024/poster/18549",
    test="tests/pruning/test_activations.py::test_ria_by_hand",
    deviation="ranked within each tensor, as the authors' code does; blocks "
    "are measured behind pruned ones with `sequential=True` alone; no channel "
    "permutation",
    allocation="uniform",
    measures_inputs=True,
    channel={"reduce": "l2"},
    channel_allocation="lamp",
)
