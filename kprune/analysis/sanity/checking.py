"""Wraps a method in a sanity check; the result is a method too."""

import dataclasses
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from kprune.analysis.sanity.reinitialization import (
    reinitialize,
    shuffle_weights,
)
from kprune.masking.masks import Budget
from kprune.pruning import recipes, schedules
from kprune.pruning.chain import Chain
from kprune.pruning.pruner import Pruner
from kprune.pruning.ranking import rank
from kprune.runtime import lookup, seeds
from kprune.runtime.methods import Method
from kprune.runtime.types import Criterion, Scores


@dataclasses.dataclass(frozen=True)
class Inverted(Pruner):
    """A pruner that keeps the groups it would remove first. See `invert`."""

    def _pair(self):
        criterion, grain = super()._pair()
        return criterion, _InvertedGrain(grain)


@dataclasses.dataclass(frozen=True)
class Shuffled(Pruner):
    """A pruner that keeps random groups, as many per layer as it would keep by
    score. Another `purpose` makes another draw."""

    purpose: str = "shuffle"

    def masks(self, objective, sparsity, min_kept=None, verbose=0, target=None):
        """Returns the masks, shuffled after the last round, without side
        effects. Arguments are as for `kprune.Pruner.masks`."""
        plain = Pruner(**_axes(self))
        found = plain.masks(objective, sparsity, min_kept, verbose, target)
        layouts = objective.layouts
        grouping = self.grain.grouping(objective.model, layouts)

        def draw(name, shape):
            stream = seeds.stream(objective.seed, self.purpose, name)
            return stream.random(shape)

        random = {n: draw(n, layout.shape) for n, layout in layouts.items()}
        # A granularity of fixed sparsity, such as N:M, ranks entries within
        # each group: random entries shuffle it already.
        if self.grain.sparsity is None:
            grouping = _Rescored(
                grouping, lambda family, pooled: draw(family, pooled.shape)
            )
        counts = {
            family: int(np.count_nonzero(live))
            for family, live in grouping.scored_in(random).live(found).items()
        }
        ranking = rank(
            grouping,
            lambda groups, *_: {family: counts[family] for family in groups},
            random,
            {n: mask | self.recover for n, mask in objective.masks.items()},
            objective.seed,
            self.rounds,
        )
        budget = Budget(0.0, schedules.get("one_shot"), Fraction(1))
        return ranking.masks(budget)

    def step(self, objective, current, budget, number, target=None):
        """Raises `ValueError`: shuffling needs a last round, which pruning
        during training does not have."""
        del objective, current, budget, number, target
        raise ValueError(
            "A shuffled method prunes before training, with kprune.prune. "
            "Received: one in a callback that prunes round by round."
        )


def invert(
    method: Criterion | Pruner | Chain | Scores, **options: Any
) -> Pruner | Chain:
    """Returns a method that keeps the groups that `method` removes first.

    It inverts the ranking of the groups, not the scores of the entries: it
    keeps the channels of the smallest norm, and the smallest N of M. An
    iterated method does so in each round, among the groups still kept.

    Args:
        method: A method's name, a `kprune.Pruner` or `kprune.Chain`, a
            criterion function, or a dict of scores by weight name.
        **options: Axes and options of the method.

    Returns:
        A method for `kprune.prune`. `kprune.score` returns its scores without
        the inversion.

    Raises:
        ValueError: If there is no such method or option.

    Example:

    >>> pruned = kprune.prune(model, kprune.sanity.invert("magnitude"), 0.5)
    """
    return _each(
        recipes.get(method, **options), lambda one: Inverted(**_axes(one))
    )


CHECKS: dict[str, Callable[[Any], Any]] = {
    "shuffle": lambda one: Shuffled(**_axes(one)),
    "random_same_counts": lambda one: Shuffled(
        **_axes(one), purpose="random_same_counts"
    ),
    "invert": invert,
    "reinitialize": lambda one: _then(reinitialize, one),
    "shuffle_weights": lambda one: _then(shuffle_weights, one),
}


def checked(
    method: Criterion | Pruner | Chain | Scores, check: str, **options: Any
) -> Pruner | Chain:
    """Returns a method with a sanity check applied to it.

    shuffle              keeps random groups, as many per layer as the method
    random_same_counts   the same distribution, another draw
    invert               keeps the groups that the method removes first
    reinitialize         its masks, on redrawn weights
    shuffle_weights      its masks, on its weights in another order

    Corrupted data is passed to `kprune.prune` like any data: see
    `kprune.sanity.corrupt`.

    Args:
        method: A method's name, a `kprune.Pruner` or `kprune.Chain`, a
            criterion function, or a dict of scores by weight name.
        check: One of the names above.
        **options: Axes and options of the method.

    Returns:
        A method for `kprune.prune`.

    Raises:
        ValueError: If there is no such method or check, or the method prunes
            while a model trains.

    Example:

    >>> method = kprune.sanity.checked("snip", "shuffle")
    >>> pruned = kprune.prune(model, method, 0.9, data=train.take(1))
    """
    transform = lookup.choose(check, CHECKS, "sanity check")
    return _each(recipes.get(method, **options), transform)


def _each(method, transform):
    if isinstance(method, Chain):
        return Chain(tuple(transform(one) for one in method.pruners))
    return transform(method)


def _axes(pruner):
    """Returns the values of the fields of `Pruner`, by name."""
    return {f.name: getattr(pruner, f.name) for f in dataclasses.fields(Pruner)}


def _then(change, pruner):
    """Returns the pruner with `change` called before its `after_pruning`."""
    before = pruner.after_pruning

    def after_pruning(model, seed):
        change(model, seed)
        if before is not None:
            before(model, seed)

    return pruner.with_axes(after_pruning=after_pruning)


class _Rescored:
    """A grouping with other scores: `rescore(family, scores)` of its own."""

    def __init__(self, grouping, rescore):
        self._grouping = grouping
        self._rescore = rescore

    def scored_in(self, names):
        return _Rescored(self._grouping.scored_in(names), self._rescore)

    def pooled(self, scores, alive, rng):
        for family, pooled in self._grouping.pooled(scores, alive, rng):
            yield family, self._rescore(family, pooled)

    def __getattr__(self, name):
        return getattr(self._grouping, name)


class _InvertedGrain:
    """A granularity that ranks the groups of lowest score first."""

    def __init__(self, grain):
        self._grain = grain

    def grouping(self, model, layouts):
        grouping = self._grain.grouping(model, layouts)
        return _Rescored(grouping, lambda family, pooled: np.negative(pooled))

    def allocation(self, entry):
        """Returns the granularity's allocation; LAMP, which cannot take
        negative scores, is replaced by `"normalized"`."""
        found = self._grain.allocation(entry)
        return "normalized" if found == "lamp" else found

    def __getattr__(self, name):
        return getattr(self._grain, name)

    def __repr__(self):
        return repr(self._grain)


METHOD = Method(
    "invert",
    title="check: inverted ranking",
    call='kprune.sanity.invert("snip")',
    paper="Frankle et al., 2021",
    link="https://arxiv.org/abs/2009.08576",
    test="tests/analysis/test_checked_methods.py::"
    "test_an_inverted_ranking_is_the_complement",
    deviation="ranks are turned round; SynFlow's released code takes 1 / score",
)
