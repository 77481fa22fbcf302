"""OBD: optimal brain damage (LeCun, Denker and Solla, 1990).

https://papers.nips.cc/paper/1989/hash/6c9882bbac1c7093bd25041881277658-Abstract.html
"""

import tensorflow as tf

from kprune.masking.masks import apply
from kprune.runtime import lookup, seeds

_CURVATURES = ("hutchinson", "fisher")


def obd(objective, weights, masks, curvature="hutchinson", samples=16):
    """Scores a weight by what the curvature of the loss says of its removal.

        score = h w^2 / 2,  with h the diagonal of the Hessian at w * mask

    The paper takes it of a trained network, whose gradient is zero. Before
    training, h may be negative, and so may the score: removal then lowers the
    loss, to second order.

    Args:
        objective: The training loss as a function of the weights.
        weights: Dict of dense weights by name.
        masks: Dict of the current masks, one of the weight's shape each.
        curvature: How to estimate h. `"hutchinson"` (default): the mean of
            v * (H v) over random signs v, unbiased, with a spread that falls
            as 1 / sqrt(samples). `"fisher"`: the mean over the examples of
            the squared gradient of each, which is never negative, takes as
            many backward passes as there are examples and needs
            batch_norm="eval" in a network with batch normalization.
        samples: Integer >= 1, how many v to draw.

    Returns:
        Dict of scores by name, each of its weight's shape. Higher is kept.
    """
    point = apply(masks, weights)
    if curvature == "fisher":
        diagonal = objective.squared_gradient(point)
    elif curvature == "hutchinson":
        diagonal = _hutchinson(objective, point, samples)
    else:
        raise ValueError(
            lookup.unknown(curvature, _CURVATURES, "value of `curvature`")
        )
    return {name: diagonal[name] * w * w / 2 for name, w in weights.items()}


def _hutchinson(objective, point, samples):
    if int(samples) != samples or samples < 1:
        raise ValueError(
            "Invalid value for argument `samples`. Expected an integer >= 1. "
            f"Received: samples={samples!r}"
        )
    objective.progress.expect(samples * objective.batch_count)
    mean = None
    for number in range(samples):
        signs = {
            name: _signs(objective.seed, name, number, w)
            for name, w in point.items()
        }
        product = objective.hvp(point, signs)
        part = {name: signs[name] * product[name] / samples for name in point}
        mean = (
            part
            if mean is None
            else {name: mean[name] + part[name] for name in mean}
        )
    return mean


def _signs(seed, name, number, w):
    rng = seeds.stream(seed, "hutchinson", name, number)
    return tf.cast(2 * rng.integers(0, 2, w.shape, "int8") - 1, w.dtype)


obd.on_channels = {"reduce": "sum"}
