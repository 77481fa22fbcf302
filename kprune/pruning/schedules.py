"""Sparsity schedules: map progress in [0, 1] to sparsity.

A schedule is a function of (progress, final, initial), independent of rounds
and steps. It returns `initial` at 0 and `final` at 1.
"""

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

from kprune.runtime import checks, lookup
from kprune.runtime.doors import checked

_NUMBERS = {
    "progress": checks.within("[0, 1]"),
    "final": checks.within("[0, 1]", ", a sparsity"),
    "initial": checks.within("[0, 1]", ", a sparsity"),
}
_POSITIVE = checks.within("(0, inf)")


@checked(**_NUMBERS)
def one_shot(progress: float, final: float, initial: float = 0.0) -> float:
    """Prunes all at once: returns `final` for any progress above 0."""
    return final if progress > 0 else initial


@checked(**_NUMBERS)
def linear(progress: float, final: float, initial: float = 0.0) -> float:
    """Raises sparsity in equal steps: s = initial + (final - initial) p."""
    return initial + (final - initial) * progress


@checked(**_NUMBERS)
def exponential(progress: float, final: float, initial: float = 0.0) -> float:
    """Lowers density by equal factors.

        1 - s = (1 - initial)^(1-p) (1 - final)^p

    Used by SynFlow (https://arxiv.org/abs/2006.05467) and FORCE
    (https://arxiv.org/abs/2006.09081).
    """
    return 1 - (1 - initial) ** (1 - progress) * (1 - final) ** progress


@checked(**_NUMBERS, power=_POSITIVE)
def cubic(
    progress: float, final: float, initial: float = 0.0, power: float = 3
) -> float:
    """Prunes fast, then slowly: s = final + (initial - final) (1 - p)^3.

    Zhu and Gupta, 2017, https://arxiv.org/abs/1710.01878.

    Args:
        progress: Float in [0, 1].
        final: Sparsity at 1.
        initial: Sparsity at 0.
        power: Number > 0, the exponent. Defaults to 3.
    """
    return final + (initial - final) * (1 - progress) ** power


@checked(**_NUMBERS)
def cosine(progress: float, final: float, initial: float = 0.0) -> float:
    """Prunes slowly at both ends, fast in between.

    s = final + (initial - final) (1 + cos(pi p)) / 2
    """
    return final + (initial - final) * (1 + math.cos(math.pi * progress)) / 2


@checked(**_NUMBERS, midpoint=checks.number, width=_POSITIVE)
def sigmoid(
    progress: float,
    final: float,
    initial: float = 0.0,
    midpoint: float = 0.5,
    width: float = 0.1,
) -> float:
    """Follows an S curve, sigma((p - midpoint) / width) scaled to both ends.

    Args:
        progress: Float in [0, 1].
        final: Sparsity at 1.
        initial: Sparsity at 0.
        midpoint: Progress at which the curve is steepest, ASNI's beta.
        width: Number > 0, the progress over which the curve rises: ASNI's
            gamma divided by the number of epochs.

    Raises:
        ValueError: If the curve does not rise in float arithmetic.

    ASNI's own curve, which is not scaled, is `asni`.
    """

    def curve(p):
        return _logistic((p - midpoint) / width)

    rise = curve(1) - curve(0)
    if rise == 0:
        raise ValueError(
            "Expected a `midpoint` and a `width` of which the curve rises from "
            f"0 to 1. Received: midpoint={midpoint}, width={width}"
        )
    share = (curve(progress) - curve(0)) / rise
    return initial + (final - initial) * share


@checked(
    epoch=checks.number,
    epochs=checks.at_least(1),
    alpha=checks.within("[0, 100]"),
    beta=checks.number,
    gamma=_POSITIVE,
)
def asni(
    epoch: float,
    epochs: int,
    alpha: float = 98.0,
    beta: float = 0.5,
    gamma: float = 5.0,
) -> float:
    """Returns the sparsity that ASNI prunes to after an epoch.

        p_e = alpha / 100 * sigma((e - beta E) / gamma)

    Amenable Sparse Network Investigator, https://arxiv.org/abs/2202.09284.

    Args:
        epoch: Number, e: the epochs completed.
        epochs: Integer >= 1, E: the epochs in all.
        alpha: Number in [0, 100], the sparsity that the curve rises to, in
            percent.
        beta: The share of the epochs after which the curve is steepest.
        gamma: Number > 0, the epochs over which it rises.

    Example:

    >>> [round(kprune.schedules.asni(e, 50), 3) for e in (1, 25, 48)]
    [0.008, 0.49, 0.97]
    """
    return alpha / 100 * _logistic((epoch - beta * epochs) / gamma)


def _logistic(z):
    small = math.exp(-abs(z))  # The other sign would overflow.
    return (1 if z >= 0 else small) / (1 + small)


_ALL = {
    f.__name__: f
    for f in (one_shot, linear, exponential, cubic, cosine, sigmoid)
}


def names() -> list[str]:
    """Returns the names of all schedules, sorted."""
    return sorted(_ALL)


def get(
    identifier: str | Callable[..., float], **options: Any
) -> Callable[..., float]:
    """Returns a schedule by name; a function is returned unchanged.

    Args:
        identifier: A name, or a function of (progress, final).
        **options: Further arguments of the schedule, such as `width`.

    Raises:
        ValueError: If there is no such schedule or option.
    """
    if callable(identifier):
        takes = 2, "(progress, final)"
        schedule = checks.function("schedule", identifier, *takes)
    else:
        schedule = lookup.choose(identifier, _ALL, "schedule")
    if not options:
        return schedule
    known = list(inspect.signature(schedule).parameters)[2:]
    lookup.check_options(options, known, repr(identifier))
    return functools.partial(schedule, **options)
