"""Keeps equally many weights in each output."""

import numpy as np

from kprune.masking.selection import top_k_of_each
from kprune.pruning.allocation.counts import checked_allocation


class WithinOutputs(dict):
    """Counts by name, to be shared out evenly among a weight's outputs."""


def per_outputs(allocation="uniform"):
    """Makes an allocation that compares scores within each output.

    How many a weight tensor keeps is another allocation's to say. Each of its
    outputs, all gates of a recurrent kernel included, then keeps as many of
    its inputs as every other, but for one where the number does not divide;
    which have one more is drawn. Wanda compares weights so.

    Args:
        allocation: How many each tensor keeps, as of a `kprune.Pruner`.

    Returns:
        An allocation, for single weights, N:M and blocks.

    Example:

    >>> rows = kprune.allocation.per_outputs("erk")
    >>> model = kprune.prune(model, "magnitude", 0.5, allocation=rows)
    """
    from kprune.pruning.allocation import get  # Which lists this one.

    shared_out = get(allocation)

    def within_outputs(groups, sizes, shapes, budget, rng):
        return WithinOutputs(shared_out(groups, sizes, shapes, budget, rng))

    return within_outputs


@checked_allocation
def per_output(groups, sizes, shapes, budget, rng):
    """The same sparsity in each output of each weight: `per_outputs()`."""
    return per_outputs()(groups, sizes, shapes, budget, rng)


def kept(scores, count, outputs, rng):
    """Returns which scores stay if each output keeps as many, a boolean array.

    Args:
        scores: Array of the scores of groups that may be kept, flat.
        count: How many stay in all.
        outputs: Array of integers, the output of each.
        rng: A generator, for who has one more, and for ties.
    """
    sizes = np.bincount(outputs)
    there = sizes > 0  # Others have nothing left.
    number = np.cumsum(there, dtype=np.int32) - 1
    places, room = number[outputs], sizes[there]
    return top_k_of_each(scores, places, evenly(count, room, rng), rng)


def evenly(count, room, rng):
    """Shares a number out evenly, with at most `room` each: an array.

    What is left of a division goes to as many, drawn among those with room.
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
