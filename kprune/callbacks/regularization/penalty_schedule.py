"""The schedule of a growing penalty: grow, hold, end."""

import dataclasses
import math
from fractions import Fraction

from kprune.runtime import checks


@dataclasses.dataclass(frozen=True)
class PenaltySchedule:
    """The course of a growing penalty, in optimizer steps.

    Each of its `cycles` has three phases:

    1. The penalty of all weights grows by `pick_increment` every `every`
       steps up to `pick_ceiling`. Then weights are picked. With
       `pick_ceiling=0`, they are picked at once.
    2. The penalty of the picked weights grows further by `increment` every
       `every` steps up to `ceiling`. That of the others is `on_others`.
    3. The penalty stays constant for `stabilize` steps. Then the picked
       weights are removed.

    Args:
        begin, stabilize: Integers >= 0, in steps.
        every: Integer >= 1, in steps.
        increment, ceiling: Numbers > 0.
        pick_increment, pick_ceiling: Numbers >= 0. Default to 0: no first
            phase. With a `pick_ceiling`, `pick_increment` is > 0.
        on_others: Number. Defaults to 0.
        cycles: Integer >= 1. Defaults to 1.
        ended: Integer >= 0, the number of steps of the second phase, if it
            ends before `ceiling`. Defaults to `None`, all that `ceiling`
            takes.

    Raises:
        ValueError: If a number is out of range, or `ceiling` is not above
            `pick_ceiling`.

    Example:

    >>> course = kprune.callbacks.regularization.PenaltySchedule(
    ...     begin=0, every=5, stabilize=100, increment=0.25, ceiling=1.0)
    >>> course.end, course.penalties(12)
    (120, (0.5, 0.0))
    """

    begin: int
    every: int
    stabilize: int
    increment: float
    ceiling: float
    pick_increment: float = 0.0
    pick_ceiling: float = 0.0
    on_others: float = 0.0
    cycles: int = 1
    ended: int | None = None

    def __post_init__(self):
        checks.integer("begin", self.begin)
        checks.integer("every", self.every, 1)
        checks.integer("stabilize", self.stabilize)
        checks.integer("cycles", self.cycles, 1)
        checks.number("increment", self.increment, "(0, inf)")
        checks.number("pick_ceiling", self.pick_ceiling, "[0, inf)")
        grows = "(0, inf)" if self.pick_ceiling else "[0, inf)"
        checks.number("pick_increment", self.pick_increment, grows)
        above = f"({float(self.pick_ceiling)}, inf)"
        checks.number("ceiling", self.ceiling, above, ", the `pick_ceiling`")
        checks.number("on_others", self.on_others)
        if self.ended is not None:
            checks.integer("ended", self.ended)

    @property
    def picking(self) -> int:
        """The number of steps of a cycle's first phase."""
        if not self.pick_ceiling:
            return 0
        return self.every * _updates(0, self.pick_ceiling, self.pick_increment)

    @property
    def growing(self) -> int:
        """The number of steps of a cycle's second phase."""
        whole = self.every * _updates(
            self.pick_ceiling, self.ceiling, self.increment
        )
        return whole if self.ended is None else min(self.ended, whole)

    @property
    def length(self) -> int:
        """The number of steps of a cycle."""
        return self.picking + self.growing + self.stabilize

    @property
    def end(self) -> int:
        """The step after which the last picked weights are removed."""
        return self.begin + self.cycles * self.length

    def check_fits(self, total: int | None) -> None:
        """Raises `ValueError` if training has `total` steps, fewer than the
        course; a no-op if `total` is `None`."""
        if total is not None and self.end > total:
            raise ValueError(
                f"Training has {total} steps. Expected at least {self.end}, "
                f"after which the penalty ends: {self.picking} steps to "
                f"pick, {self.growing} to grow and {self.stabilize} to "
                f"stabilize in each of {self.cycles} cycles, from step "
                f"{self.begin}. Train longer, raise `increment` or lower "
                "`ceiling`, `stabilize` or `every`."
            )

    def events(self) -> list[tuple[int, str]]:
        """Returns the events in order, pairs of the step that they follow and
        `"pick"` or `"remove"`."""
        found = []
        for cycle in range(self.cycles):
            start = self.begin + cycle * self.length
            found.append((start + self.picking, "pick"))
            found.append((start + self.length, "remove"))
        return found

    def growths(self, step: int) -> int:
        """Returns how often the penalty of the picked weights has grown after
        `step` steps, in the cycle and the phase of this step; 0 outside of
        the second phase."""
        if not self.begin <= step < self.end:
            return 0
        done = (step - self.begin) % self.length - self.picking
        return done // self.every if 0 <= done <= self.growing else 0

    def penalties(self, step: int) -> tuple[float, float]:
        """Returns the penalties of the picked weights and of the others after
        `step` steps."""
        if not self.begin <= step < self.end:
            return 0.0, 0.0
        done = (step - self.begin) % self.length
        if done < self.picking:
            grown = done // self.every * _exact(self.pick_increment)
            both = float(min(grown, _exact(self.pick_ceiling)))
            return both, both
        growing = min(done - self.picking, self.growing)
        grown = growing // self.every * _exact(self.increment)
        grown += _exact(self.pick_ceiling)
        return float(min(grown, _exact(self.ceiling))), float(self.on_others)


def _updates(start, ceiling, increment):
    gap = _exact(ceiling) - _exact(start)
    return math.ceil(gap / _exact(increment))


def _exact(number):
    """Returns the decimal as written, exactly: 1e-4 is 1/10000."""
    return Fraction(repr(float(number)))
