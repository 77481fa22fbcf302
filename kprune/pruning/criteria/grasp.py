"""GraSP: gradient signal preservation (Wang et al., 2020)."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kprune.masking.masks import apply
from kprune.pruning.redrawn import rescored_at_fresh_init
from kprune.runtime import checks, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.scoring.objective import Objective

TEMPERATURE = 200.0  # The authors' choice.


@checked(
    masks=None,
    temperature=checks.optional(checks.within("(0, inf)")),
    absolute=checks.boolean,
)
def grasp(
    objective: Objective,
    weights: types.Tensors,
    masks: types.Masks,
    temperature: float | None = None,
    absolute: bool = False,
) -> types.Scores:
    """Scores a weight by its contribution to the gradient flow.

        score = w * (H g),  with g and H of the loss of logits / temperature

    Removing a weight changes the squared norm of the gradient by about
    -2 w (H g). The paper removes the weights of highest -w (H g), whose
    removal lets the norm grow most, so high w (H g) is kept. The authors draw
    ten examples of each class: `kprune.ScoringConfig(per_class=10)`.

    Args:
        objective, weights, masks: As for all criteria (`kprune.criteria`).
        temperature: Float > 0, divides the logits. Defaults to the scoring's,
            else to 200, the authors' choice.
        absolute: Whether to score by |w (H g)|, a different method: it keeps
            the weights whose removal changes the gradient's norm most in
            either direction (Frankle et al., 2021,
            https://arxiv.org/abs/2009.08576). Defaults to `False`.
    """
    if temperature is None:
        temperature = objective.scoring.temperature or TEMPERATURE
    checks.number("temperature", temperature, "(0, inf)")
    product = objective.hvp(
        apply(masks, weights), temperature=float(temperature)
    )
    scores = {name: w * product[name] for name, w in weights.items()}
    if absolute:
        return {name: tf.abs(score) for name, score in scores.items()}
    return scores


def recipe(
    criterion: Callable[..., types.Scores], released_code: bool = False
) -> dict[str, Any]:
    """Returns the fields of GraSP's `kprune.Pruner`.

    Args:
        criterion: `grasp`, with its options.
        released_code: Whether to score dense layers at fresh weights, drawn
            by Glorot's normal law, as the released code does.
    """
    if not released_code:
        return {}
    return {
        "criterion": rescored_at_fresh_init(criterion, dense_only=True),
        "count": "floor_remove",
    }


METHOD = Method(
    "grasp",
    title="GraSP",
    formula=r"w \odot (H g), \quad \text{of logits} / 200",
    paper="Wang et al., 2020",
    link="https://arxiv.org/abs/2002.07376",
    test="tests/pruning/test_finite_differences.py::"
    "test_grasp_is_half_the_change_of_the_squared_gradient",
    build=recipe,
    # Summed over a filter before batch normalization, the scores are the norm
    # of its gradient, so channels are scored where they are read.
    channel={"reduce": "sum", "side": "outgoing"},
)
