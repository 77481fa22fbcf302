"""Plans a set of masks for each unit at each level."""

from fractions import Fraction

import numpy as np

from kprune.graph import costs
from kprune.masking import weights
from kprune.masking.masks import Budget
from kprune.pruning import allocation, recipes, schedules
from kprune.pruning.pruner import Pruner
from kprune.runtime import checks

_METHODS = (
    "a method that scores once, with the whole network as it is: of one "
    'round, such as "magnitude", or with `rounds=1`, and neither `sequential` '
    "nor with a rule `after_pruning`"
)


class Plan:
    """Computes the masks that prune one unit and leave all others unchanged.

    All weights are scored once. Each weight of a unit is pruned to the level
    by itself.

    Args:
        pruner: A `kprune.Pruner`, as `pruner_of` returns it.
        objective: A `kprune.Objective`.
    """

    def __init__(self, pruner, objective):
        self._own = objective.masks
        self._uses = _known_uses(weights.find(objective.model))
        self._rule = pruner.count
        self._ranking = pruner.ranking(objective, objective.masks, 1)

    @property
    def families(self):
        """The number of groups of each weight that can be pruned by itself."""
        live = self._ranking.live
        return {name: live[name].size for name in self._ranking.groups}

    def masks(self, unit, level):
        """Returns the masks of a unit at a level, by name, without those that
        equal the model's own."""
        found = {}
        share = Fraction(1)
        budget = Budget(level, schedules.one_shot, share, rule=self._rule)
        for family in unit.weights:
            ranking = self._ranking.of(family)
            for name, mask in ranking.masks(budget, tell=False).items():
                found[name] = found.get(name, True) & mask
        return {
            name: mask
            for name, mask in found.items()
            if not np.array_equal(mask, self._own[name])
        }

    def removed(self, masks):
        """Returns the fields of a `Cell` that tell how much masks remove."""
        counts = {
            name: int(np.count_nonzero(self._own[name] & ~mask))
            for name, mask in masks.items()
        }
        known = all(self._uses.get(name) is not None for name in counts)
        adds = (count * self._uses[name] for name, count in counts.items())
        return {
            "removed": sum(counts.values()),
            "removed_multiply_adds": sum(adds) if known else None,
        }


def pruner_of(method, options):
    """Returns the pruner of a method, set to rank each weight by itself."""
    pruner = recipes.get(method, **options)
    once = type(pruner) is Pruner and pruner.rounds == 1
    once = once and not pruner.sequential and pruner.after_pruning is None
    checks.require(once, "method", method, _METHODS)
    own = allocation.get(pruner.allocation_used)
    within = own is allocation.per_output
    return pruner.with_axes(allocation="per_output" if within else "uniform")


def _known_uses(view):
    """Returns the multiply-adds per entry of each weight, by name, or an empty
    dict if they cannot be counted."""
    try:
        found = costs.count_uses(view.model)
    except Exception:  # A user's `call` may raise anything.
        return {}
    return {w.name: found.get(id(w.variable)) for w in view}
