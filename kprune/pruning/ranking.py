"""Ranks the scored groups of one round, for any budget."""

import dataclasses
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

from kprune.masking import selection
from kprune.masking.masks import Budget
from kprune.pruning.allocation import within_outputs
from kprune.runtime import checks, seeds, user_warnings


@dataclasses.dataclass(frozen=True, eq=False)
class Ranking:
    """The scored groups of a model, with the allocation that selects them.

    Args:
        grouping: A grouping, such as `kprune.granularity.ByWeight`.
        allocate: An allocation, a function (see `kprune.allocation`).
        alive: Dict from weight name to booleans: entries that may be kept.
        groups: Dict from family to the flat scores of groups that may be kept.
        live: Dict from family to booleans: which of all its groups may be.
        places: Dict from family to their flat indices, only for families with
            groups that may not be kept.
        seed: Integer, for ties.
        number: Integer >= 1, the round's number, for ties.
    """

    grouping: Any
    allocate: Callable[..., Any]
    alive: dict[str, np.ndarray]
    groups: dict[str, np.ndarray]
    live: dict[str, np.ndarray]
    places: dict[str, np.ndarray]
    seed: int
    number: int

    def with_counts(self, counts: dict[str, int]) -> "Ranking":
        """Returns this ranking with precomputed counts for its allocation.

        Args:
            counts: Dict from family to the number of groups to keep, as an
                allocation returns it. Other families are ignored.
        """
        within = isinstance(counts, within_outputs.WithinOutputs)
        kind = within_outputs.WithinOutputs if within else dict
        own = kind((name, counts[name]) for name in self.groups)
        return dataclasses.replace(self, allocate=lambda *given: own)

    def of(self, family: str) -> "Ranking":
        """Returns the ranking of one family's groups."""
        return dataclasses.replace(
            self,
            groups={family: self.groups[family]},
            live={family: self.live[family]},
        )

    @property
    def size(self) -> int:
        """The number of groups, including those already pruned."""
        return sum(live.size for live in self.live.values())

    def with_minimum(self, budget: Budget) -> Budget:
        """Returns the budget with a minimum number of groups per family.

        It defaults to the granularity's, or to 0 where the budget is too
        small for that.
        """
        if budget.minimum is not None:
            return budget
        least = self.grouping.least
        asked = sum(min(least, s.size) for s in self.groups.values())
        fits = asked <= budget.keep(self.size)
        return dataclasses.replace(budget, minimum=least if fits else 0)

    def masks(self, budget: Budget, tell: bool = True) -> dict[str, np.ndarray]:
        """Returns the masks that keep as many groups as the budget allows.

        Args:
            budget: A `kprune.masks.Budget`.
            tell: Whether to warn if many kept groups were drawn among equal
                scores.
        """
        budget = self.with_minimum(budget)
        counts = self.counts(budget)
        chosen, drawn = {}, 0
        last = tell and budget.progress >= 1
        for name, scores in self.groups.items():
            rng = seeds.stream(self.seed, "ties", name, self.number)
            kept = self._kept(name, counts, rng)
            if np.count_nonzero(kept) != counts[name]:
                raise RuntimeError(f"Kept a wrong number of {name!r}.")
            drawn += _drawn(scores, kept) if last else 0
            chosen[name] = self._in_all(name, kept)
        _tell_of_draws(drawn, sum(counts.values()))
        return self.grouping.masks(chosen, self.alive)

    def _kept(self, name, counts, rng):
        """Returns which of a family's live groups to keep."""
        scores = self.groups[name]
        if not isinstance(counts, within_outputs.WithinOutputs):
            border = getattr(counts, "border", None)
            return selection.top_k(scores, counts[name], rng, border)
        outputs = self._outputs(name)
        return within_outputs.kept(scores, counts[name], outputs, rng)

    def _outputs(self, name):
        """Returns the outputs of a family's live groups."""
        find = getattr(self.grouping, "outputs", None)
        found = None if find is None else find(name)
        if np.shape(found) != self.live[name].shape:
            raise ValueError(
                'Allocation "per_output" compares weights, or blocks of them, '
                "within an output. Expected a granularity whose groups are of "
                'one: "weight", N:M or `kprune.Block`.'
            )
        places = self.places.get(name)
        flat = np.ravel(found)
        return flat if places is None else flat.take(places)

    def _in_all(self, name, kept):
        """Expands `kept` from a family's live groups to all its groups."""
        shape, places = self.live[name].shape, self.places.get(name)
        if places is None:
            return kept.reshape(shape)
        found = np.zeros(shape, bool)
        found.reshape(-1)[places] = kept  # 20 times as fast as by a mask.
        return found

    def counts(self, budget: Budget) -> dict[str, int]:
        """Returns the allocation's number of groups to keep, by family."""
        counts = self.allocate(
            self.groups,
            {name: live.size for name, live in self.live.items()},
            {name: self.grouping.shape(name) for name in self.groups},
            budget,
            seeds.stream(self.seed, "allocation", self.number),
        )
        whole = isinstance(counts, dict) and all(
            isinstance(counts.get(name), numbers.Integral)
            for name in self.groups
        )
        expected = "an integer for each of the weights it was given, by name"
        return checks.require(whole, "allocation", counts, expected)


def rank(grouping, allocate, scores, alive, seed, number):
    """Returns the `Ranking` of scores, a dict of arrays by weight name."""
    grouping = grouping.scored_in(scores)
    live, groups, places = grouping.live(alive), {}, {}

    def rng(name):
        return seeds.stream(seed, "pool", name, number)

    for name, pooled in grouping.pooled(scores, alive, rng):
        groups[name] = pooled.ravel()
        if not live[name].all():  # Ranks live groups only.
            places[name] = np.flatnonzero(live[name])
            groups[name] = groups[name].take(places[name])
        _refuse_nan(groups[name], name)
    if not groups:
        raise ValueError(
            "The criterion scored nothing that can be pruned. Expected scores "
            "of at least one prunable weight or channel. "
            f"Received scores of: {sorted(scores)}"
        )
    return Ranking(
        grouping, allocate, alive, groups, live, places, seed, number
    )


def scores_by(criterion, objective):
    """Returns the scores of all weights at their current masks, as arrays."""
    scores = criterion(objective, objective.weights, objective.masks)
    found = as_arrays(scores, objective.layouts)
    for name, array in found.items():
        _refuse_nan(array, name)
    if not found:
        raise ValueError(
            "The criterion gave no scores. Expected arrays by weight name, of "
            f"{sorted(objective.layouts)}. Received: {sorted(scores)}"
        )
    return found


def as_arrays(scores, layouts):
    """Returns scores as arrays by name; raises if shapes do not match."""
    by_name = isinstance(scores, dict)
    expected = "a dict of scores, arrays by weight name, of the criterion"
    checks.require(by_name, "scores", scores, expected)
    found = {n: scores[n] for n in layouts if n in scores}
    for name, array in found.items():
        array = checks.array(f"scores[{name!r}]", array)
        found[name] = array = np.asarray(array)
        if array.shape != layouts[name].shape:
            raise ValueError(
                f"The scores of {name!r} have the wrong shape. Expected "
                f"{layouts[name].shape}. Received: {array.shape}"
            )
    return found


def _refuse_nan(array, name):
    if array.size and np.isnan(array.min()):  # `min` is NaN if any entry is.
        raise ValueError(
            f"The scores of {name!r} hold NaN, which cannot be ranked."
        )


def _drawn(scores, kept):
    """Returns how many kept groups tie with groups that were not kept."""
    if not kept.any() or kept.all():
        return 0
    equal = scores == scores[kept].min()
    here = int(np.count_nonzero(equal & kept))
    return here if np.count_nonzero(equal) > here else 0


def _tell_of_draws(drawn, kept):
    if drawn > 0.01 * kept:
        user_warnings.warn(
            f"{drawn} of the {kept} groups that are kept were drawn among "
            "others of the same score. Where a criterion scores most weights "
            "zero, nothing flows through the network any more: lower "
            "`sparsity`, raise `rounds`, or look for a layer that keeps "
            "almost nothing."
        )
