"""Prunes block by block, each scored behind the pruned ones."""

import dataclasses

import numpy as np

from kprune.masking.masks import apply
from kprune.pruning import allocation


def masks(pruner, objective, current, budget, number):
    """Returns the masks after a round, as `Pruner.step` does."""
    whole, counts = counted(pruner, objective, current, budget, number)
    found = {}
    for part in objective.blocks(apply(current, objective.weights)):
        own = {name: current[name] for name in part.weights}
        ranking = pruner.ranking(part, own, number).with_counts(counts)
        chosen = ranking.masks(budget)
        part.prune(chosen)
        found |= chosen
    if budget.progress >= 1:
        whole.grouping.check(found)
    return {name: found[name] for name in current}


def counted(pruner, objective, current, budget, number):
    """Returns a ranking without scores, and the counts to keep by family.

    Weights are scored only if the allocation reads scores; these are dropped,
    as each block is scored again behind the pruned ones.
    """
    if allocation.is_by_shape(pruner.allocation_used):
        fixed = {"allocation": pruner.allocation_used, "sequential": False}
        pruner = pruner.with_axes(criterion=_unscored, **fixed)
    ranking = pruner.ranking(objective, current, number)
    counts = ranking.counts(ranking.with_minimum(budget))
    return dataclasses.replace(ranking, groups={}), counts


def _unscored(objective, weights, masks):
    """Scores all weights 0, for allocations that read no scores."""
    del objective, masks
    return {name: np.zeros(np.shape(w), "i1") for name, w in weights.items()}
