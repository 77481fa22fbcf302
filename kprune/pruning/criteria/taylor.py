"""Taylor: first-order importance, squared (Molchanov et al., 2019)."""

import tensorflow as tf

from kprune.masking.masks import apply
from kprune.runtime import types
from kprune.runtime.methods import Method
from kprune.scoring.objective import Objective


def taylor(
    objective: Objective, weights: types.Tensors, masks: types.Masks
) -> types.Scores:
    """Scores a weight by the squared change of the loss without it.

        score = (w * dL/dW)^2,  with dL/dW taken at W = w * mask

    For single weights on one batch this ranks as SNIP does. Over several
    batches it is the square of the mean; for the mean of squares, as in the
    paper, pass `kprune.ScoringConfig(reduce="mean_of_abs")`. Channels are
    scored by the sum of squares over a channel's weights; the paper's square
    of their sum ranks as `skeletonization` does with
    `kprune.Channel(reduce="abs_sum")`. That sum is zero, up to rounding, for a
    filter followed by batch normalization in training mode.

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
