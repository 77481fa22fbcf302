"""Targets: the share of a model's cost to keep, in place of a sparsity."""

import dataclasses
import math
from fractions import Fraction
from typing import Any

import numpy as np

from kprune.graph import costs
from kprune.masking import weights
from kprune.masking.masks import Budget
from kprune.pruning import schedules
from kprune.runtime import checks, lookup, types

KINDS = ("flops", "parameters")


class CannotMeet(ValueError):
    """Raised if a model exceeds a target even with all groups removed."""


@dataclasses.dataclass(frozen=True)
class Target:
    """The largest share of a model's cost to keep.

    Args:
        kind: `"flops"`, multiply-adds for one example, or `"parameters"`,
            entries of all variables that layers own.
        left: Number in (0, 1), the largest share to keep.
    """

    kind: str
    left: float

    def solve(
        self, ranking: Any, model: types.Model, budget: Budget
    ) -> dict[str, np.ndarray]:
        """Returns the masks that keep the most groups within the target.

        Args:
            ranking: A `kprune.pruning.ranking.Ranking`.
            model: The model, wrapped or not.
            budget: A `kprune.masks.Budget`. Its sparsity is not used: its
                schedule applies to the share of the cost to remove.

        Returns:
            Dict from weight name to a boolean mask.

        Raises:
            CannotMeet: If the cost exceeds the target at `min_kept`.
        """
        left, minimum = self.left, budget.minimum
        if minimum is None:
            minimum = ranking.grouping.least
        if budget.progress < 1:
            progress = float(budget.progress)
            left = 1 - float(budget.schedule(progress, 1 - self.left))
        cost = _Cost(self.kind, model)
        whole = ranking.size

        def masks(kept, tell=False):
            share = Fraction(whole - kept, whole)
            one_shot = Budget(share, schedules.one_shot, Fraction(1), minimum)
            return ranking.masks(one_shot, tell)

        sizes = [scores.size for scores in ranking.groups.values()]
        low, high = sum(min(minimum, size) for size in sizes), sum(sizes)
        lowest = cost.share(masks(low), ranking.grouping)
        if lowest > left:
            raise CannotMeet(
                f"target={{{self.kind!r}: {self.left}}} cannot be met: with "
                "everything removed that may go, "
                f"{lowest:.4g} of the {self.kind} are left "
                f"(min_kept={minimum})."
            )
        while low < high:  # `low` is always within the target.
            middle = (low + high + 1) // 2
            if cost.share(masks(middle), ranking.grouping) <= left:
                low = middle
            else:
                high = middle - 1
        return masks(low, tell=budget.progress >= 1)


def get(target: dict[str, float] | Target) -> Target:
    """Returns the `Target` of a dict such as `{"flops": 0.5}`."""
    if isinstance(target, Target):
        return target
    expected = 'a dict of one entry such as {"flops": 0.5}, the share to leave'
    one = isinstance(target, dict) and len(target) == 1
    checks.require(one, "target", target, expected)
    ((kind, left),) = target.items()
    if kind not in KINDS:
        raise ValueError(lookup.unknown(kind, KINDS, "cost in `target`"))
    name = f"target[{kind!r}]"
    checks.number(name, left, "(0, 1)", ", the share to leave")
    return Target(kind, left)


class _Cost:
    """The cost of a masked model, as a share of the dense model's."""

    def __init__(self, kind, model):
        self._kind = kind
        self._found = {w.name: w for w in weights.find(model)}
        self._times = dict.fromkeys(self._found, 1)
        if kind == "flops":
            uses = costs.count_uses(model)
            self._times = {n: _known(uses, w) for n, w in self._found.items()}
        self._others = {
            name: math.prod(variable.shape)
            for name, variable in weights.named(model)
            if name not in self._found
        }

    def share(self, masks, grouping):
        left = total = 0
        for name, weight in self._found.items():
            kept, times = weight.layout.size, self._times[name]
            total += times * kept
            mask = masks.get(name, weight.mask)
            if mask is not None:
                kept = int(np.count_nonzero(np.asarray(mask)))
            left += times * kept
        if self._kind == "parameters":
            others = sum(self._others.values())
            gone = grouping.removed_size(masks, self._others)
            left, total = left + others - gone, total + others
        return left / total if total else 0.0


def _known(uses, weight):
    times = uses.get(id(weight.variable), 0)
    if times is None:
        raise ValueError(
            f"How often {weight.name!r} is multiplied with cannot be counted. "
            "Build the model with a fixed input shape, or pass a target of "
            '"parameters".'
        )
    return times
