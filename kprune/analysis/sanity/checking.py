"""Wraps a method in a sanity check; the result is a method too."""

import dataclasses
from fractions import Fraction

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


@dataclasses.dataclass(frozen=True)
class Inverted(Pruner):
    """A pruner that keeps what it would remove first. See `invert`."""

    def _pair(self):
        criterion, grain = super()._pair()
        return criterion, _InvertedGrain(grain)


@dataclasses.dataclass(frozen=True)
class Shuffled(Pruner):
    """A pruner that keeps random groups, as many of each layer as it would;
    another `purpose` makes another draw."""

    purpose: str = "shuffle"

    def masks(self, objective, sparsity, min_kept=None, verbose=0, target=None):
        """Returns the masks, shuffled after the last round. Changes nothing.
        All is as for `kprune.Pruner.masks`."""
        plain = Pruner(**_axes(self))
        found = plain.masks(objective, sparsity, min_kept, verbose, target)
        layouts = objective.layouts
        grouping = self.grain.grouping(objective.model, layouts)

        def draw(name, shape):
            stream = seeds.stream(objective.seed, self.purpose, name)
            return stream.random(shape)

        random = {n: draw(n, layout.shape) for n, layout in layouts.items()}
        if self.grain.sparsity is None:  # Else it ranks within each group.
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
        """Raises `ValueError`: there is no last round while a model trains."""
        del objective, current, budget, number, target
        raise ValueError(
            "A shuffled method prunes before training, with kprune.prune. "
            "Received: one in a callback that prunes round by round."
        )


def invert(method, **options):
    """Makes a method that keeps what the method would remove first.

    The ranking of the groups is turned round, not the scores of the entries:
    it keeps the channels of the smallest norm, and the smallest N of M. In an
    iterated method each round does so, among what is not pruned yet.

    Args:
        method: A method's name, a `kprune.Pruner`, or a criterion function.
        **options: Options of the method.

    Returns:
        What `kprune.prune` takes as a method. `kprune.score` of it gives the
        scores as they are.

    Example:

    >>> pruned = kprune.prune(model, kprune.sanity.invert("magnitude"), 0.5)
    """
    return _each(
        recipes.get(method, **options), lambda one: Inverted(**_axes(one))
    )


CHECKS = {
    "shuffle": lambda one: Shuffled(**_axes(one)),
    "random_same_counts": lambda one: Shuffled(
        **_axes(one), purpose="random_same_counts"
    ),
    "invert": invert,
    "reinitialize": lambda one: _then(reinitialize, one),
    "shuffle_weights": lambda one: _then(shuffle_weights, one),
}


def checked(method, check, **options):
    """Makes a method of a method and a sanity check.

    shuffle              random groups, as many of each layer as it keeps
    random_same_counts   the same law, another draw
    invert               what it would remove first
    reinitialize         its masks, on weights that are drawn anew
    shuffle_weights      its masks, on its weights in another order

    Corrupted data is given to `kprune.prune` as any data: see
    `kprune.sanity.corrupt`.

    Args:
        method: A method's name, a `kprune.Pruner`, or a criterion function.
        check: One of the names above.
        **options: Options of the method.

    Returns:
        What `kprune.prune` takes as a method.

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
    """Returns the fields that make a plain pruner."""
    return {f.name: getattr(pruner, f.name) for f in dataclasses.fields(Pruner)}


def _then(change, pruner):
    """Returns the pruner with weights changed before its own survivors."""
    before = pruner.after_pruning

    def after_pruning(model, seed):
        change(model, seed)
        if before is not None:
            before(model, seed)

    return pruner.with_axes(after_pruning=after_pruning)


class _Rescored:
    """A grouping whose groups have other scores: those that `rescore` makes of
    a family and of its own."""

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
    """A granularity whose groups are ranked from the lowest score up."""

    def __init__(self, grain):
        self._grain = grain

    def grouping(self, model, layouts):
        grouping = self._grain.grouping(model, layouts)
        return _Rescored(grouping, lambda family, pooled: np.negative(pooled))

    def allocation(self, entry):
        """As of the granularity; LAMP knows no negative scores."""
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
