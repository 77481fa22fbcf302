"""GraSP: gradient signal preservation (Wang et al., 2020).

https://arxiv.org/abs/2002.07376
"""

from kprune.masks import apply


def grasp(objective, weights, masks, temperature=200.0):
    """Scores a weight by what it contributes to the flow of the gradient.

        score = w * (H g),  with g and H of the loss of logits / temperature

    Removing a weight changes the squared norm of the gradient by about
    -2 w (H g). The paper removes the weights of highest -w (H g), whose
    removal lets the norm grow most, so high w (H g) is kept. The score is
    signed: taking its absolute value is another method.

    Args:
        objective: The training loss as a function of the weights.
        weights: Dict of dense weights by name.
        masks: Dict of the current masks, one of the weight's shape each.
        temperature: Float > 0 that logits are divided by. Defaults to 200,
            the authors' choice.

    Returns:
        Dict of scores by name, each of its weight's shape. Higher is kept.
    """
    if not temperature > 0:
        raise ValueError(
            "Invalid value for argument `temperature`. Expected a number > 0. "
            f"Received: temperature={temperature!r}"
        )
    product = objective.hvp(
        apply(masks, weights), temperature=float(temperature)
    )
    return {name: w * product[name] for name, w in weights.items()}
