"""Several pruners in turn, each on what the one before has left."""

import copy
import dataclasses

from kprune.pruning.pruner import Pruner

_AXES = {*(field.name for field in dataclasses.fields(Pruner)), "grain"}


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
        pruners = tuple(self.pruners)
        if not pruners or not all(isinstance(p, Pruner) for p in pruners):
            raise ValueError(
                "Invalid value for argument `pruners`. Expected one or more "
                f"of kprune.Pruner. Received: pruners={self.pruners!r}"
            )
        if len({one.exclude for one in pruners}) > 1:
            raise ValueError(
                "Expected pruners that exclude the same weights. Received: "
                f"{[one.exclude for one in pruners]}"
            )
        object.__setattr__(self, "pruners", pruners)

    def with_axes(self, **axes):
        """Returns this method with axes replaced, of all its pruners.

        Args:
            **axes: Fields of `kprune.Pruner`.
        """
        changed = [dataclasses.replace(p, **axes) for p in self.pruners]
        return Chain(tuple(changed))

    def masks(self, objective, sparsity, min_kept=0, verbose=0, target=None):
        """Returns the masks that all pruners lead to. Changes nothing.

        Args:
            objective: A `kprune.scoring.objective.Objective`.
            sparsity: Share of the groups to remove, in [0, 1), of each
                pruner's.
            min_kept: Groups that each weight keeps at least.
            verbose: 1 shows a progress bar of each pruner.
            target: Must be `None`: what of a cost each pruner would have to
                save is not known.

        Returns:
            Dict from weight name to boolean array.
        """
        _refuse(target)
        for pruner in self.pruners:
            current = pruner.masks(objective, sparsity, min_kept, verbose)
            objective = copy.copy(objective)
            objective.masks = current
        return current

    def step(self, objective, current, budget, number, target=None):
        """Returns the masks that one round of all pruners leads to.

        Args:
            objective: A `kprune.scoring.objective.Objective`.
            current: Dict of the masks before, by name.
            budget: A `kprune.masks.Budget`.
            number: Integer >= 1, of the round.
            target: Must be `None`.
        """
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
            f"method of several in turn. Received: target={target!r}"
        )
