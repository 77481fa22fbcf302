"""SNIP: connection sensitivity (Lee et al., 2019)."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kprune.masking.masks import apply
from kprune.pruning.redrawn import rescored_at_fresh_init
from kprune.runtime import types
from kprune.runtime.methods import Method
from kprune.scoring.objective import Objective


def snip(
    objective: Objective, weights: types.Tensors, masks: types.Masks
) -> types.Scores:
    """Scores a weight by how much the loss would change without it.

        score = |w * dL/dW|,  with dL/dW taken at W = w * mask

    The gradient is averaged over all batches before the product is taken;
    averaging the products instead (`ScoringConfig(reduce="mean_of_abs")`)
    gives a different ranking.

    Args:
        objective: The training loss as a function of the weights.
        weights: Dict of dense weights by name.
        masks: Dict of the current masks, one of the weight's shape each.

    Returns:
        Dict of scores by name, each of its weight's shape. Higher is kept.
    """
    return objective.saliency(
        apply(masks, weights),
        lambda gradient: {
            name: tf.abs(w * gradient[name]) for name, w in weights.items()
        },
    )


def recipe(
    criterion: Callable[..., types.Scores], released_code: bool = False
) -> dict[str, Any]:
    """Returns the fields of SNIP's `kprune.Pruner`.

    Args:
        criterion: `snip`.
        released_code: Whether to score fresh weights, drawn by Glorot's
            normal law, as released codes do. The paper scores the weights
            that it trains.
    """
    if not released_code:
        return {}
    criterion = rescored_at_fresh_init(criterion)
    return {"criterion": criterion, "count": "floor_keep"}


METHOD = Method(
    "snip",
    title="SNIP",
    formula=r"\lvert w \odot g \rvert",
    call='kprune.prune(model, "snip", 0.9, data=data, scoring={"batches": 1})',
    paper="Lee et al., 2019",
    link="https://arxiv.org/abs/1810.02340",
    test="tests/pruning/test_finite_differences.py::"
    "test_first_order_scores_are_the_change_of_the_loss_by_a_gate",
    build=recipe,
    channel={"reduce": "sum"},
)
