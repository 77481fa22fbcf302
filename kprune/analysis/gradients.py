"""Measures how much gradient reaches the kept weights."""

import dataclasses
import math

import numpy as np

from kprune.masking import masks
from kprune.runtime.doors import checked
from kprune.runtime.progress import Progress
from kprune.runtime.types import Data, Loss, Model
from kprune.scoring.config import ScoringConfig
from kprune.scoring.objective import Objective


@dataclasses.dataclass(frozen=True)
class GradientFlow:
    """Gradient norms of a model's kept weights.

    Args:
        weights: Dict from weight name to the L2 norm of its gradient, over
            the kept entries.
    """

    weights: dict[str, float]

    @property
    def total(self) -> float:
        """The norm over all weights, the gradient norm of `kprune.report`."""
        return math.sqrt(sum(norm**2 for norm in self.weights.values()))

    def __str__(self) -> str:
        rows = [*self.weights.items(), ("all", self.total)]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:<{width}}  {norm:.4g}" for name, norm in rows)


@checked(data=None)
def gradient_flow(
    model: Model,
    data: Data | None,
    loss: Loss | None = None,
    batches: int | None = None,
) -> GradientFlow:
    """Computes the gradient norm of each weight's kept entries.

        norm = sqrt(sum over the kept entries of (dL/dw)^2)

    with dL/dw taken in the pruned network. Compared before and after pruning,
    or between methods, the norms show where the gradient stops flowing: Wang
    et al., 2020, https://arxiv.org/abs/2002.07376.

    Args:
        model: A built Keras model, wrapped or not. It is not modified.
        data, loss: As for `kprune.prune`.
        batches: Integer >= 1, the number of batches of `data` to read.
            Defaults to all.

    Returns:
        A `GradientFlow` of all prunable weights.

    Raises:
        ValueError: If the model, the data or the loss is invalid.

    Example:

    >>> pruned = kprune.prune(model, "magnitude", 0.98)
    >>> before, after = [
    ...     kprune.analysis.gradient_flow(one, train, batches=1)
    ...     for one in (model, pruned)
    ... ]
    >>> sorted(after.weights)[0]
    'conv1/kernel'
    """
    objective = Objective(model, data, loss, ScoringConfig(batches=batches))
    kept, objective = objective.masks, objective.watched(Progress())
    gradient = objective.gradient(masks.apply(kept, objective.weights))
    return GradientFlow(
        {
            name: float(np.linalg.norm(np.asarray(g, np.float64)[kept[name]]))
            for name, g in gradient.items()
        }
    )
