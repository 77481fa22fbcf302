"""SparseGPT: layer-wise optimal brain surgeon (Frantar and Alistarh, 2023)."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from kprune.masking.masks import apply
from kprune.pruning import matrices, obs_columns
from kprune.pruning.obs_pruner import SparseGPT
from kprune.runtime import checks, types
from kprune.runtime.methods import Method
from kprune.scoring.objective import Objective


def sparsegpt(
    objective: Objective,
    weights: types.Tensors,
    masks: types.Masks,
    damping: float = 0.01,
) -> types.Scores:
    """Scores a weight by its output's error after later inputs make up for it.

        score = w_ij^2 / [inv(H_j)]_jj,  H = X'X + damping mean(diag X'X) I

    with H_j the rows and columns of H from input j on, and X the values that
    the layer reads over all of the data, at W = w * mask. For trained
    networks, on data like that which they are used on. As a method, it scores
    again as it processes the inputs, and updates the kept weights.

    Args:
        objective, weights, masks: As for all criteria (`kprune.criteria`).
        damping: Number >= 0, the share of the mean diagonal to add. Defaults
            to 0.01.
    """
    checks.number("damping", damping, "[0, inf)")
    diagonals = {}
    for name, gram in matrices.grams(objective, apply(masks, weights)):
        upper = obs_columns.factor(gram, damping, name)
        diagonal = np.diag(upper) if upper.ndim == 2 else upper
        # An input that reads only zeros costs nothing to remove.
        live = obs_columns.reads(gram)
        diagonals[name] = np.where(live, diagonal, np.inf)

    def score(name, matrix):
        return obs_columns.costs(matrix, diagonals[name])

    return matrices.scored(objective, weights, score)


def recipe(
    criterion: Callable[..., types.Scores],
    block: int = obs_columns.BLOCK,
    damping: float = 0.01,
) -> dict[str, Any]:
    """Returns the fields of SparseGPT's pruner.

    Args:
        criterion: `sparsegpt`.
        block: Integer >= 1, how many inputs to choose masks for at a time.
        damping: Number >= 0, the share of the mean diagonal to add.
    """
    return {
        "pruner": SparseGPT,
        "criterion": functools.partial(criterion, damping=damping),
        "block": block,
        "damping": damping,
    }


METHOD = Method(
    "sparsegpt",
    title="SparseGPT",
    formula=r"\frac{w_{ij}^2}{[H_j^{-1}]_{jj}}, \quad H = X^\top X + \lambda d "
    r"I, \quad d = \text{mean of } \operatorname{diag}(X^\top X)",
    call='kprune.prune(model, "sparsegpt", 0.5, data=data)',
    paper="Frantar and Alistarh, 2023",
    link="https://arxiv.org/abs/2301.00774",
    test="tests/pruning/test_sparsegpt.py::"
    "test_one_output_is_pruned_as_by_greedy_obs",
    deviation="blocks are measured behind pruned ones with `sequential=True` "
    "alone; an output that would be further off than without it "
    "is not updated; in float64",
    build=recipe,
    allocation="uniform",
    measures_inputs=True,
    channel={"reduce": "sum"},
    channel_allocation="lamp",
)
