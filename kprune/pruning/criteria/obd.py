"""OBD: optimal brain damage (LeCun, Denker and Solla, 1990)."""

import tensorflow as tf

from kprune.masking.masks import apply
from kprune.runtime import checks, seeds, types
from kprune.runtime.methods import Method
from kprune.scoring.objective import Objective

_CURVATURES = ("hutchinson", "fisher")


def obd(
    objective: Objective,
    weights: types.Tensors,
    masks: types.Masks,
    curvature: str = "hutchinson",
    samples: int = 16,
) -> types.Scores:
    """Scores a weight by the second-order change of the loss without it.

        score = h w^2 / 2,  with h the diagonal of the Hessian at w * mask

    The paper scores a trained network, whose gradient is zero. Before
    training, h and so the score may be negative: removal then lowers the loss,
    to second order.

    Args:
        objective, weights, masks: As for all criteria (`kprune.criteria`).
        curvature: How to estimate h. `"hutchinson"` (default): the mean of
            v * (H v) over random signs v, unbiased, with a standard error that
            falls as 1 / sqrt(samples). `"fisher"`: the mean squared gradient
            of single examples, which is never negative, takes one backward
            pass per example and needs batch_norm="eval" in a network with
            batch normalization.
        samples: Integer >= 1, how many v to draw. Defaults to 16.
    """
    checks.choice("curvature", curvature, _CURVATURES)
    checks.integer("samples", samples, 1)
    point = apply(masks, weights)
    if curvature == "fisher":
        diagonal = objective.squared_gradient(point)
    else:
        diagonal = _hutchinson(objective, point, samples)
    return {name: diagonal[name] * w * w / 2 for name, w in weights.items()}


def _hutchinson(objective, point, samples):
    objective.progress.expect(samples * objective.batch_count)
    mean = dict.fromkeys(point, 0.0)
    for number in range(samples):
        signs = {
            name: _signs(objective.seed, name, number, w)
            for name, w in point.items()
        }
        product = objective.hvp(point, signs)
        for name in point:
            mean[name] += signs[name] * product[name] / samples
    return mean


def _signs(seed, name, number, w):
    rng = seeds.stream(seed, "hutchinson", name, number)
    return tf.cast(2 * rng.integers(0, 2, w.shape, "int8") - 1, w.dtype)


METHOD = Method(
    "obd",
    title="OBD",
    formula=r"\tfrac{1}{2} \operatorname{diag}(H) \odot w^2",
    paper="LeCun et al., 1990",
    link="https://proceedings.neurips.cc/paper/1989/hash/"
    "6c9882bbac1c7093bd25041881277658-Abstract.html",
    test="tests/pruning/test_finite_differences.py::"
    "test_obd_is_half_the_second_change_of_the_loss",
    deviation="the diagonal is estimated, by Hutchinson's draws or the "
    "empirical Fisher matrix; one round",
    channel={"reduce": "sum"},
)
