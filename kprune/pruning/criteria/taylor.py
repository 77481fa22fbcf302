"""Taylor: first-order importance, squared (Molchanov et al., 2019)."""

import tensorflow as tf

from kprune.masking.masks import apply
from kprune.runtime.methods import Method


def taylor(objective, weights, masks):
    """Scores a weight by the square of what the loss changes without it.

        score = (w * dL/dW)^2,  with dL/dW taken at W = w * mask

    Of single weights on one batch this ranks as SNIP does. Over several
    batches it is the square of the mean; the mean of the squares, as in the
    paper, is `kprune.ScoringConfig(reduce="mean_of_abs")`. Pooled to channels
    it is the mean of squares over a channel's weights; the paper's square of
    their sum ranks as `skeletonization` does at
    `kprune.Channel(reduce="abs_sum")`. That sum is zero, but for rounding, for
    a filter whose outputs go through batch normalization in training mode.

    Args:
        objective, weights, masks: As for all criteria (`kprune.criteria`).
    """
    return objective.saliency(
        apply(masks, weights),
        lambda gradient: {
            name: tf.square(w * gradient[name]) for name, w in weights.items()
        },
    )


METHOD = Method(
    "taylor",
    title="Taylor",
    formula=r"(w \odot g)^2",
    paper="Molchanov et al., 2019",
    link="https://arxiv.org/abs/1906.10771",
    test="tests/pruning/test_finite_differences.py::"
    "test_first_order_scores_are_the_change_of_the_loss_by_a_gate",
    deviation="one round on a network as it is; the paper prunes as it "
    "fine-tunes",
    channel={"reduce": "sum"},
)
