"""SNIP: connection sensitivity (Lee et al., 2019).

https://arxiv.org/abs/1810.02340
"""

import tensorflow as tf

from kprune.masking.masks import apply
from kprune.pruning.redrawn import rescored_at_fresh_init
from kprune.runtime.methods import Method


def snip(objective, weights, masks):
    """Scores a weight by how much the loss would change without it.

        score = |w * dL/dW|,  with dL/dW taken at W = w * mask

    The gradient is averaged over all batches before the product is taken, as
    multi-batch SNIP and FORCE do; averaging the products instead
    (`kprune.ScoringConfig(reduce="mean_of_abs")`) gives a different ranking.
    The scores are those of the weights that are trained afterwards, as in the
    paper; its released code scores one set of weights and trains another.

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


def recipe(criterion, released_code=False):
    """Returns what SNIP's `kprune.Pruner` has beside the criterion.

    Args:
        criterion: `snip`.
        released_code: Whether to set the masks of a fresh draw of the
            weights, by Glorot's normal law, as released codes do. The paper
            scores what it trains.
    """
    if not released_code:
        return {}
    fresh = rescored_at_fresh_init(criterion)
    return {"criterion": fresh, "count": "floor_keep"}


METHOD = Method(
    "snip",
    title="SNIP",
    call='kprune.prune(model, "snip", 0.9, data=data, scoring={"batches": 1})',
    paper="Lee et al., 2019",
    link="https://arxiv.org/abs/1810.02340",
    test="tests/pruning/test_finite_differences.py::"
    "test_first_order_scores_are_the_change_of_the_loss_by_a_gate",
    build=recipe,
    channel={"reduce": "sum"},
)
