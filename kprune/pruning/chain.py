"""Chains pruners, each applied to the result of the one before."""

import copy
import dataclasses

from kprune.pruning.pruner import Pruner
from kprune.runtime import checks
from kprune.runtime.words import shown

_AXES = {
    *(field.name for field in dataclasses.fields(Pruner)),
    "grain",
    "allocation_used",
}


@dataclasses.dataclass(frozen=True)
class Chain:
    """A pruning method of several pruners that work one after the other.

    Each prunes the groups that its criterion scores, to the same sparsity, at
    the masks that those before it have set. The attributes of a
    `kprune.Pruner` are those of the last one.

    Args:
        pruners: Tuple of `kprune.Pruner`, at least one.

    Example:

    >>> first = kprune.Pruner("magnitude", "channel", "uniform")
    >>> then = kprune.Pruner("snip", "weight", "global")
    >>> method = kprune.Chain((first, then))
    """

    pruners: tuple

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
    def measures_inputs(self):
        """Whether a criterion of theirs is of what weights read."""
        return any(one.measures_inputs for one in self.pruners)

    def with_axes(self, **axes):
        """Returns this method with axes replaced, of all its pruners."""
        return Chain(tuple(one.with_axes(**axes) for one in self.pruners))

    def masks(self, objective, sparsity, min_kept=None, verbose=0, target=None):
        """Returns the masks that all pruners lead to, as of a `Pruner`.

        A sparsity is of each pruner's groups. `target` must be `None`: what of
        a cost each pruner would have to save is not known.
        """
        _refuse(target)
        for pruner in self.pruners:
            current = pruner.masks(objective, sparsity, min_kept, verbose)
            objective = copy.copy(objective)
            objective.masks = current
        return current

    def step(self, objective, current, budget, number, target=None):
        """Returns the masks that one round of all pruners leads to."""
        _refuse(target)
        for pruner in self.pruners:
            current = pruner.step(objective, current, budget, number)
        return current

    def __getattr__(self, name):
        if name in _AXES:
            return getattr(self.pruners[-1], name)
        raise AttributeError(f"{type(self).__name__!r} has no {name!r}.")


def _refuse(target):
    if target is not None:
        raise ValueError(
            "`target` is solved for by one pruner. Expected `sparsity` for a "
            f"method of several in turn. Received: target={shown(target)}"
        )
