"""Wanda: weights and activations (Sun et al., 2024)."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from kprune.masking.masks import apply
from kprune.pruning import matrices
from kprune.runtime import checks, types
from kprune.runtime.methods import Method
from kprune.scoring.objective import Objective


def wanda(
    objective: Objective,
    weights: types.Tensors,
    masks: types.Masks,
    cumulative: bool = False,
) -> types.Scores:
    """Scores a weight by its magnitude times the norm of its input.

        score = |w_ij| ||x_j||_2

    where x_j are the values that input j of the layer reads over all of the
    data, at W = w * mask. For trained networks, on data like that which they
    are used on; data is required. Scores are compared within each output by
    default (`allocation="per_output"`).

    Args:
        objective, weights, masks: As for all criteria (`kprune.criteria`).
        cumulative: Whether to score a weight by the sum of its output's scores
            up to its own, as a share of their total. Ranked over a tensor,
            this removes the same share alpha of scores from each output.
            Defaults to `False`.
    """
    checks.boolean("cumulative", cumulative)
    moments = objective.inputs(apply(masks, weights))

    def score(name, matrix):
        found = np.abs(matrix) * np.sqrt(moments[name])[:, None]
        return _shares(found) if cumulative else found

    return matrices.scored(objective, weights, score)


def _shares(scores):
    """Returns the cumulative share of each column's sum, by rising scores."""
    order = np.argsort(scores, axis=0, kind="stable")
    ordered = np.take_along_axis(scores, order, axis=0)
    whole = scores.sum(axis=0)
    found = np.empty_like(scores)
    shares = np.cumsum(ordered, axis=0) / np.where(whole > 0, whole, 1)
    np.put_along_axis(found, order, shares, axis=0)
    return found


def recipe(
    criterion: Callable[..., types.Scores], layer_alpha: bool = False
) -> dict[str, Any]:
    """Returns the fields of Wanda's `kprune.Pruner`.

    Args:
        criterion: `wanda`.
        layer_alpha: Whether each output loses the same share of its scores
            instead of the same number of weights: the paper's variant, with
            the share alpha that gives the layer's sparsity.
    """
    checks.boolean("layer_alpha", layer_alpha)
    if not layer_alpha:
        return {}
    criterion = functools.partial(criterion, cumulative=True)
    return {"criterion": criterion, "allocation": "uniform"}


_PAPER: dict[str, Any] = {
    "paper": "Sun et al., 2024",
    "link": "https://arxiv.org/abs/2306.11695",
    "build": recipe,
    "allocation": "per_output",
    "measures_inputs": True,
    "channel": {"reduce": "l2"},
    "channel_allocation": "lamp",
}
METHODS = (
    Method(
        "wanda",
        title="Wanda",
        formula=r"\lvert w_{ij} \rvert \, \lVert x_j \rVert_2",
        call='kprune.prune(model, "wanda", 0.5, data=data)',
        test="tests/pruning/test_activations.py::test_wanda_by_hand",
        deviation="blocks are measured behind pruned ones with "
        "`sequential=True` alone; convolutions and embeddings, too",
        **_PAPER,
    ),
    Method(
        "wanda",
        title="Wanda, layer-wise alpha",
        call='kprune.prune(model, "wanda", 0.5, data=data, layer_alpha=True)',
        test="tests/pruning/test_activations.py::"
        "test_with_alpha_each_output_loses_the_same_share",
        deviation="alpha follows from an exact count; the authors' code "
        "searches for it, to 0.001 of the sparsity",
        **_PAPER,
    ),
)
