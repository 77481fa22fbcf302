"""How much of a model's cost may be left, in place of a sparsity."""

import dataclasses
import math
from fractions import Fraction

import numpy as np

from kprune.graph import costs
from kprune.masking import weights
from kprune.masking.masks import Budget
from kprune.runtime import lookup

KINDS = ("flops", "parameters")


@dataclasses.dataclass(frozen=True)
class Target:
    """A share of a model's cost that is to be left.

    Args:
        kind: `"flops"`, multiply-adds for one example, or `"parameters"`,
            entries of all variables that layers own.
        left: Number in (0, 1), the largest share to leave.
    """

    kind: str
    left: float

    def solve(self, ranking, model, budget):
        """Returns the masks of most groups whose cost is within the target.

        Args:
            ranking: A `kprune.pruning.ranking.Ranking`.
            model: The model, wrapped or not.
            budget: A `kprune.masks.Budget`, whose sparsity does not count:
                its schedule is of the share of the cost that is removed.

        Raises:
            ValueError: If pruning all that may go leaves too much.
        """
        left, minimum = self.left, budget.minimum
        if budget.progress < 1:
            progress = float(budget.progress)
            left = 1 - float(budget.schedule(progress, 1 - self.left))
        cost = _Cost(self.kind, model)
        whole = ranking.size
        least = sum(
            min(minimum, scores.size) for scores in ranking.groups.values()
        )

        def masks(kept, tell=False):
            share = Fraction(whole - kept, whole)
            one_shot = Budget(share, _as_it_is, Fraction(1), minimum)
            return ranking.masks(one_shot, tell)

        low, high = least, sum(s.size for s in ranking.groups.values())
        lowest = cost.share(masks(low), ranking.grouping)
        if lowest > left:
            raise ValueError(
                f"target={{{self.kind!r}: {self.left}}} cannot be met: with "
                "everything removed that may go, "
                f"{lowest:.4g} of the {self.kind} are left."
            )
        while low < high:  # `low` is always within the target.
            middle = (low + high + 1) // 2
            if cost.share(masks(middle), ranking.grouping) <= left:
                low = middle
            else:
                high = middle - 1
        return masks(low, tell=budget.progress >= 1)


def get(target):
    """Returns the `Target` that a dict such as `{"flops": 0.5}` stands for.

    Raises:
        ValueError: If it does not name one kind of cost and a share.
    """
    if isinstance(target, Target):
        return target
    if not isinstance(target, dict) or len(target) != 1:
        raise ValueError(
            "Invalid value for argument `target`. Expected a dict of one "
            'entry such as {"flops": 0.5}, the share of the cost to leave. '
            f"Received: target={target!r}"
        )
    ((kind, left),) = target.items()
    if kind not in KINDS:
        raise ValueError(lookup.unknown(kind, KINDS, "cost in `target`"))
    number = isinstance(left, (int, float, np.number, Fraction))
    if not number or isinstance(left, bool) or not 0 < left < 1:
        raise ValueError(
            "Invalid value for argument `target`. Expected a share in (0, 1) "
            f"to leave. Received: target={target!r}"
        )
    return Target(kind, left)


def _as_it_is(progress, final):
    del progress
    return final


class _Cost:
    """What a model costs with masks, as a share of what it costs without."""

    def __init__(self, kind, model):
        self._kind = kind
        self._found = {w.name: w for w in weights.find(model)}
        self._times = {}
        if kind == "flops":
            uses = costs.count_uses(model)
            for name, weight in self._found.items():
                self._times[name] = _known(uses, weight)
        self._others = {
            name: math.prod(variable.shape)
            for name, variable in weights.named(model)
            if name not in self._found
        }

    def share(self, masks, grouping):
        left = total = 0
        for name, weight in self._found.items():
            size, kept = weight.layout.size, weight.layout.size
            if name in masks:
                kept = int(np.count_nonzero(masks[name]))
            elif weight.mask is not None:
                kept = int(np.count_nonzero(np.asarray(weight.mask)))
            times = self._times.get(name, 1)
            left, total = left + times * kept, total + times * size
        if self._kind == "parameters":
            others = sum(self._others.values())
            gone = grouping.removed_size(masks, self._others)
            left, total = left + others - gone, total + others
        return left / total if total else 0.0


def _known(uses, weight):
    if uses.get(id(weight.variable), 0) is None:
        raise ValueError(
            f"How often {weight.name!r} is multiplied with cannot be counted. "
            "Build the model with a fixed input shape, or pass a target of "
            '"parameters".'
        )
    return uses.get(id(weight.variable), 0)
