"""Parses durations such as "2ep" and "500it" into steps."""

import math
import numbers
import re
from fractions import Fraction

from kprune.runtime import checks

_STEPS = re.compile(r"([0-9]+)\s*it", re.IGNORECASE)
_SHARE = re.compile(r"([0-9]*\.?[0-9]+)\s*(ep|%)", re.IGNORECASE)


def steps(
    duration: str | int,
    steps_per_epoch: int | None = None,
    total_steps: int | None = None,
) -> int:
    """Returns a duration in optimizer steps.

    | duration | means |
    |---|---|
    | `1000`, `"1000it"` | 1000 steps (iterations) |
    | `"8ep"`, `"0.5ep"` | epochs |
    | `"75%"`, `"12.5%"` | of the whole training |

    Fractions of a step are rounded to the nearest step, halves up. Steps and
    epochs may exceed the training. Case does not matter.

    Args:
        duration: String or integer, 0 or more.
        steps_per_epoch: Integer >= 1. Only a duration in epochs needs it.
        total_steps: Integer >= 1, the steps of the whole training. Only a
            percentage needs it.

    Returns:
        An integer >= 0.

    Raises:
        ValueError: If `duration` has none of these forms or is over 100%, or
            the argument it needs is missing.

    Example:

    >>> kprune.training.durations.steps("0.5ep", steps_per_epoch=391)
    196
    """
    whole = isinstance(duration, numbers.Integral)
    if whole and not isinstance(duration, bool) and duration >= 0:  # type: ignore[operator]
        return int(duration)
    text = duration.strip() if isinstance(duration, str) else ""
    if match := _STEPS.fullmatch(text):
        return int(match[1])
    match = _SHARE.fullmatch(text)
    expected = (
        'a duration such as 1000 or "1000it" (steps), "8ep" or "0.5ep" '
        '(epochs) or "75%" (of the whole training), and not below 0'
    )
    checks.require(match, "duration", duration, expected)
    # Exact: 0.29 * 100 is not 29 in floating point.
    amount = Fraction(match[1])  # type: ignore[index]
    name, count = "steps_per_epoch", steps_per_epoch
    if match[2] == "%":  # type: ignore[index]
        expected = "a share of the whole training from 0% to 100%"
        checks.require(amount <= 100, "duration", duration, expected)
        name, count, amount = "total_steps", total_steps, amount / 100
    why = f', which {duration!r} is counted in ("1000it" does without)'
    count = int(checks.integer(name, count, 1, why))
    return math.floor(amount * count + Fraction(1, 2))
