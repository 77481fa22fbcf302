"""Keeps the same number of weights in each output."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kprune.masking.masks import Budget
from kprune.masking.selection import top_k_of_each
from kprune.pruning.allocation.counts import checked_allocation


class WithinOutputs(dict):
    """Counts by name that are divided evenly among a weight's outputs."""


def per_outputs(
    allocation: str | dict[str, float] | Callable[..., Any] = "uniform",
) -> Callable[..., dict[str, int]]:
    """Returns an allocation that compares scores within each output.

    Another allocation sets how many weights a tensor keeps. Each output, of
    each gate in a recurrent kernel, then keeps the same number of its inputs;
    if the count is not divisible, the outputs that keep one more are drawn.
    Wanda compares weights like this.

    Args:
        allocation: Sets how many weights each tensor keeps, as for
            `kprune.Pruner`. Defaults to `"uniform"`.

    Returns:
        An allocation, a function, for single weights, N:M and blocks.

    Example:

    >>> rows = kprune.allocation.per_outputs("erk")
    >>> model = kprune.prune(model, "magnitude", 0.5, allocation=rows)
    """
    from kprune.pruning.allocation import get  # Circular.

    shared_out = get(allocation)

    def within_outputs(groups, sizes, shapes, budget, rng):
        return WithinOutputs(shared_out(groups, sizes, shapes, budget, rng))

    return within_outputs


@checked_allocation
def per_output(
    groups: dict[str, np.ndarray],
    sizes: dict[str, int],
    shapes: dict[str, Sequence[int]],
    budget: Budget,
    rng: np.random.Generator,
) -> dict[str, int]:
    """Prunes each output of each weight to one sparsity: `per_outputs()`."""
    return per_outputs()(groups, sizes, shapes, budget, rng)


def kept(scores, count, outputs, rng):
    """Marks the top scores with the same number in each output.

    Args:
        scores: Flat array of the scores of the groups that may be kept.
        count: Integer, how many to mark in all.
        outputs: Array of integers, the output of each group.
        rng: A generator, for ties and for the outputs that keep one more.

    Returns:
        Boolean array of the shape of `scores`.
    """
    sizes = np.bincount(outputs)
    there = sizes > 0  # Other outputs have no group left.
    number = np.cumsum(there, dtype=np.int32) - 1
    places, room = number[outputs], sizes[there]
    return top_k_of_each(scores, places, evenly(count, room, rng), rng)


def evenly(count, room, rng):
    """Divides a number evenly, with at most `room` each; returns an array.

    The remainder of a division goes to entries with room, drawn at random.
    """
    given = np.zeros_like(room)
    while left := count - int(given.sum()):
        free = np.flatnonzero(given < room)
        each = left // free.size
        if each == 0:
            given[rng.choice(free, left, replace=False)] += 1
        else:
            given[free] += np.minimum(each, room[free] - given[free])
    return given
