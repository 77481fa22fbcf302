"""Chains pruners, each applied to the result of the one before."""

import copy
import dataclasses
from typing import Any

import numpy as np

from kprune.masking.masks import Budget
from kprune.pruning.pruner import Pruner
from kprune.runtime import checks, types
from kprune.runtime.words import shown
from kprune.scoring.objective import Objective

_AXES = {
    *(field.name for field in dataclasses.fields(Pruner)),
    "grain",
    "allocation_used",
}


@dataclasses.dataclass(frozen=True)
class Chain:
    """A pruning method that applies several pruners in turn.

    Each prunes the groups that its criterion scores to the same sparsity,
    starting from the masks of the one before. The attributes of a
    `kprune.Pruner`, such as `granularity`, are those of the last pruner.

    Args:
        pruners: Tuple of one or more `kprune.Pruner` with the same `exclude`.

    Example:

    >>> first = kprune.Pruner("magnitude", "channel", "uniform")
    >>> then = kprune.Pruner("snip", "weight", "global")
    >>> method = kprune.Chain((first, then))
    """

    pruners: tuple[Pruner, ...]

    def __post_init__(self):
        listed = isinstance(self.pruners, list | tuple)
        pruners = tuple(self.pruners) if listed else ()
        fit = pruners and all(isinstance(one, Pruner) for one in pruners)
        expected = "one or more of kprune.Pruner"
        checks.require(fit, "pruners", self.pruners, expected)
        same = len({one.exclude for one in pruners}) == 1
        expected = "pruners that exclude the same weights"
        checks.require(same, "pruners", self.pruners, expected)
        object.__setattr__(self, "pruners", pruners)

    @property
    def measures_inputs(self) -> bool:
        """Whether one of the criteria measures the inputs of layers."""
        return any(one.measures_inputs for one in self.pruners)

    def with_axes(self, **axes: Any) -> "Chain":
        """Returns a copy of this method with axes of all pruners replaced."""
        return Chain(tuple(one.with_axes(**axes) for one in self.pruners))

    def masks(
        self,
        objective: Objective,
        sparsity: float | None,
        min_kept: int | None = None,
        verbose: int = 0,
        target: None = None,
    ) -> dict[str, np.ndarray]:
        """Returns the masks after all pruners, as `Pruner.masks` does.

        The sparsity applies to each pruner's groups. `target` must be `None`:
        it does not say which part of a cost each pruner should save.
        """
        _refuse(target)
        for pruner in self.pruners:
            current = pruner.masks(objective, sparsity, min_kept, verbose)
            objective = copy.copy(objective)
            objective.masks = current
        return current

    def step(
        self,
        objective: Objective,
        current: types.Masks,
        budget: Budget,
        number: int,
        target: None = None,
    ) -> types.Masks:
        """Returns the masks after one round of each pruner."""
        _refuse(target)
        for pruner in self.pruners:
            current = pruner.step(objective, current, budget, number)
        return current

    def __getattr__(self, name: str) -> Any:
        if name in _AXES:
            return getattr(self.pruners[-1], name)
        raise AttributeError(f"{type(self).__name__!r} has no {name!r}.")


def _refuse(target):
    if target is not None:
        raise ValueError(
            "`target` is solved for by one pruner. Expected `sparsity` for a "
            f"method of several in turn. Received: target={shown(target)}"
        )
