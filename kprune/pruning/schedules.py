"""Sparsity schedules: map progress in [0, 1] to sparsity.

A schedule is a function of (progress, final, initial) and knows nothing of
rounds or steps. It gives `initial` at 0 and `final` at 1.
"""

import functools
import inspect
import math

from kprune.runtime import checks, lookup
from kprune.runtime.doors import checked

_NUMBERS = {
    "progress": checks.within("[0, 1]"),
    "final": checks.within("[0, 1]", ", a sparsity"),
    "initial": checks.within("[0, 1]", ", a sparsity"),
}
_POSITIVE = checks.within("(0, inf)")


@checked(**_NUMBERS)
def one_shot(progress, final, initial=0.0):
    """All at once: `final` as soon as there is any progress."""
    return final if progress > 0 else initial


@checked(**_NUMBERS)
def linear(progress, final, initial=0.0):
    """Equal steps of sparsity: s = initial + (final - initial) p."""
    return initial + (final - initial) * progress


@checked(**_NUMBERS)
def exponential(progress, final, initial=0.0):
    """Equal factors of density: 1 - s = (1 - initial)^(1-p) (1 - final)^p.

    Used by SynFlow (https://arxiv.org/abs/2006.05467) and FORCE
    (https://arxiv.org/abs/2006.09081).
    """
    return 1 - (1 - initial) ** (1 - progress) * (1 - final) ** progress


@checked(**_NUMBERS, power=_POSITIVE)
def cubic(progress, final, initial=0.0, power=3):
    """Fast, then slow: s = final + (initial - final) (1 - p)^3.

    Zhu and Gupta, 2017, https://arxiv.org/abs/1710.01878.

    Args:
        progress: Float in [0, 1].
        final: Sparsity at 1.
        initial: Sparsity at 0.
        power: Number > 0 in place of the 3.
    """
    return final + (initial - final) * (1 - progress) ** power


@checked(**_NUMBERS)
def cosine(progress, final, initial=0.0):
    """Slow, fast, slow: s = final + (initial - final) (1 + cos(pi p)) / 2."""
    return final + (initial - final) * (1 + math.cos(math.pi * progress)) / 2


@checked(**_NUMBERS, midpoint=checks.number, width=_POSITIVE)
def sigmoid(progress, final, initial=0.0, midpoint=0.5, width=0.1):
    """An S curve: sigma((p - midpoint) / width), scaled to reach both ends.

    Args:
        progress: Float in [0, 1].
        final: Sparsity at 1.
        initial: Sparsity at 0.
        midpoint: Progress at which the curve is steepest, ASNI's beta.
        width: Progress over which it rises, ASNI's gamma over the epochs.

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
def asni(epoch, epochs, alpha=98.0, beta=0.5, gamma=5.0):
    """Returns the sparsity that ASNI prunes to after an epoch.

        p_e = alpha / 100 * sigma((e - beta E) / gamma)

    Amenable Sparse Network Investigator, https://arxiv.org/abs/2202.09284.

    Args:
        epoch: Number, e: how many epochs are over.
        epochs: Integer, E: how many there are in all.
        alpha: The sparsity that the curve rises to, in percent.
        beta: Share of the epochs after which it is steepest.
        gamma: Epochs over which it rises.

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


def names():
    """Returns the names of all schedules."""
    return sorted(_ALL)


def get(identifier, **options):
    """Returns a schedule by name, or a function as it is.

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
