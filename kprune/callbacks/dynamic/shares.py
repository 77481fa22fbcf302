"""Whole numbers in proportion, whose sum is exact."""

import math
from fractions import Fraction


def shares(total, weights, room):
    """Divides a number among names in proportion to their weights.

    What falls between whole numbers goes to the largest remainders, and of
    equal ones to the earlier name. What is over a name's room passes on to
    the others, in proportion again.

    Args:
        total: Integer >= 0.
        weights: Dict of finite numbers >= 0 by name. Once all that have room
            are 0, the room that is left counts in their place.
        room: Dict of the largest share by name, integers.

    Returns:
        Dict of integers by name that add up to `total`.

    Raises:
        ValueError: If there is not enough room for all.

    Example:

    >>> from kprune.callbacks.dynamic.shares import shares
    >>> shares(10, {"a": 2, "b": 1, "c": 1}, {"a": 3, "b": 9, "c": 9})
    {'a': 3, 'b': 4, 'c': 3}
    """
    given = dict.fromkeys(weights, 0)
    if total > sum(room.values()):
        raise ValueError(
            f"Expected room for {total} in all. Received: room={room}"
        )
    while left := total - sum(given.values()):
        free = {n: room[n] - given[n] for n in given if given[n] < room[n]}
        mass = {name: Fraction(weights[name]) for name in free}
        if not any(mass.values()):
            mass = {name: Fraction(size) for name, size in free.items()}
        for name, part in _largest_remainders(left, mass).items():
            given[name] += min(part, free[name])
    return given


def _largest_remainders(total, mass):
    whole = sum(mass.values())
    exact = {name: total * m / whole for name, m in mass.items()}
    parts = {name: math.floor(share) for name, share in exact.items()}
    behind = sorted(parts, key=lambda name: parts[name] - exact[name])
    for name in behind[: total - sum(parts.values())]:
        parts[name] += 1
    return parts
