"""Skeletonization: relevance, signed (Mozer and Smolensky, 1989)."""

from kprune.masking.masks import apply
from kprune.runtime import types
from kprune.runtime.methods import Method
from kprune.scoring.objective import Objective


def skeletonization(
    objective: Objective, weights: types.Tensors, masks: types.Masks
) -> types.Scores:
    """Scores a weight by how much the loss would grow without it.

        score = -w * dL/dW,  with dL/dW taken at W = w * mask

    To first order this is L(without) - L(with). Weights whose removal lowers
    the loss have negative scores and are pruned first; SNIP, which takes the
    absolute value, keeps them. This is the survey's form for weights (Wang et
    al., 2021, https://arxiv.org/abs/2103.06460); the original scores units.
    Summed over a filter before batch normalization in training mode, the score
    is zero up to rounding: do not pool it to such channels.

    Args:
        objective, weights, masks: As for all criteria (`kprune.criteria`).
    """
    gradient = objective.gradient(apply(masks, weights))
    return {name: -w * gradient[name] for name, w in weights.items()}


METHOD = Method(
    "skeletonization",
    formula=r"-w \odot g",
    paper="Mozer and Smolensky, 1989",
    link="https://proceedings.neurips.cc/paper/1988/hash/"
    "07e1cd7dca89a1678042477183b7ac3f-Abstract.html",
    test="tests/pruning/test_finite_differences.py::"
    "test_first_order_scores_are_the_change_of_the_loss_by_a_gate",
    deviation="the training loss, where the paper scores by a linear one; of "
    "single weights the survey's form, of channels the paper's gate",
    channel={"reduce": "sum", "side": "outgoing"},
)
