"""OBS: optimal brain surgeon (Hassibi and Stork, 1993)."""

import numpy as np

from kprune.masking.masks import apply
from kprune.runtime import checks, types
from kprune.runtime.methods import Method
from kprune.scoring.objective import Objective

MOST = 8192  # Weights. Their Hessian takes half a gigabyte in float64.


def obs(
    objective: Objective,
    weights: types.Tensors,
    masks: types.Masks,
    damping: float = 1e-3,
) -> types.Scores:
    """Scores a weight by the cost of its removal if the others make up for it.

        score = w^2 / (2 [H^-1]),  the diagonal of the inverse of the full H

    For small networks: the full Hessian takes as many Hessian-vector products
    as there are weights. H at w * mask is damped to H + c I, with c a share of
    its mean absolute diagonal. Scores, in float64, may be negative
    where H is not positive definite. This is OBS's score alone: the paper also
    updates the kept weights, as `optimal_brain_surgeon` does.

    Args:
        objective, weights, masks: As for all criteria (`kprune.criteria`).
        damping: Float > 0, the share of the mean absolute diagonal to add.
            Defaults to 1e-3.

    Raises:
        ValueError: If there are more than 8,192 weights.
    """
    checks.number("damping", damping, "(0, inf)")
    hessian = damped_hessian(objective, apply(masks, weights), damping)
    inverse = np.diag(np.linalg.inv(hessian))
    scores, start = {}, 0
    for name, w in weights.items():
        w = np.asarray(w, np.float64)
        part = inverse[start : start + w.size].reshape(w.shape)
        scores[name] = w * w / (2 * part)
        start += w.size
    return scores


def damped_hessian(
    objective: Objective, point: types.Tensors, damping: float
) -> np.ndarray:
    """Returns H + c I over all weights, in their order, as a float64 matrix.

    Args:
        objective, damping: As for `obs`.
        point: Dict of tensors by name, the weights to take H at.
    """
    total = sum(int(np.prod(w.shape)) for w in point.values())
    if total > MOST:
        raise ValueError(
            f"OBS inverts the Hessian of all weights and takes up to {MOST} "
            f"of them. Received: {total}. Use `exclude=` or the criterion "
            "'obd', which takes its diagonal."
        )
    hessian = objective.hessian(point).astype(np.float64)
    hessian = (hessian + hessian.T) / 2  # Removes rounding asymmetry.
    level = damping * (np.mean(np.abs(np.diag(hessian))) or 1.0)
    return hessian + level * np.eye(total)


METHOD = Method(
    "obs",
    title="OBS",
    formula=r"\frac{w_i^2}{2\,[H^{-1}]_{ii}}",
    call='kprune.prune(model, "obs", 0.5, data=data)',
    paper="Hassibi and Stork, 1993",
    link="https://proceedings.neurips.cc/paper/1992/hash/"
    "303ed4c69846ab36c2904d3ba8573050-Abstract.html",
    test="tests/pruning/test_criteria.py::test_scores_of_a_quadratic",
    deviation="it scores, and does not move the weights that stay; small "
    "networks",
    channel={"reduce": "sum"},
)
