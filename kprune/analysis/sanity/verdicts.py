"""Tests whether a method beats its own sanity check."""

import dataclasses
import statistics
from collections.abc import Sequence

import numpy as np

from kprune.runtime import checks, lookup, significance, tables
from kprune.runtime.doors import checked

_RIVALS: dict[str | None, str] = {
    "shuffle": "its own shuffle",
    "random_same_counts": "random masks of its own counts",
    "invert": "its own inversion",
    "reinitialize": "its own masks on new weights",
    "shuffle_weights": "its own masks on shuffled weights",
    "corrupt_data": "itself on corrupted data",
}


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Compares the runs of a method with those of its sanity check.

    Args:
        method: String, the method's name in the sentence.
        check: The name of the check, or `None`.
        plain, checked: Tuples of figures over seeds, such as accuracies.
        difference: The mean of `plain` less that of `checked`.
        interval: Tuple (low, high) of its 95 % confidence interval, or `None`
            if a side has only one figure.
        p_value: Of Welch's two-sided test that the means are equal, or `None`.
        corrected: `p_value` after Holm's correction over the tests that are
            shown together, or `None` if this is the only one.
    """

    method: str
    check: str | None
    plain: tuple[float, ...]
    checked: tuple[float, ...]
    difference: float
    interval: tuple[float, float] | None
    p_value: float | None
    corrected: float | None = None

    @property
    def beats(self) -> bool | None:
        """Whether the whole interval is above 0, so that the method is better,
        and the corrected p-value, if there is one, is below 5 %; `None`,
        undecided, if a side has fewer than 3 figures."""
        if self.interval is None or not self._decided():
            return None
        return self.interval[0] > 0 and self._significant()

    def _decided(self):
        return significance.enough(len(self.plain), len(self.checked))

    def _significant(self):
        return self.corrected is None or self.corrected < significance.LEVEL

    def __str__(self) -> str:
        rival = _RIVALS.get(self.check, "its sanity check")
        told = (tables.mean(f, 2, "+-") for f in (self.plain, self.checked))
        figures = " against ".join(told)
        text = f"{figures}, difference {self.difference:+.2f}"
        if self.interval is not None:
            low, high = self.interval
            text += f" [{low:.2f}, {high:.2f}], p = {self.p_value:.2g}"
        if self.corrected is not None:
            text += f", p (Holm) = {self.corrected:.2g}"
        text += f", {self._counts()}"
        if not self._decided():
            least = significance.LEAST_SEEDS
            return (
                f"{self.method} and {rival}: {text}: undecided, with fewer "
                f"than {least} runs"
            )
        return f"{self.method} {self._verb()} {rival}: {text}"

    def _verb(self):
        if self.interval[1] < 0 and self._significant():
            return "loses against"
        return "beats" if self.beats else "does not beat"

    def _counts(self):
        one, other = len(self.plain), len(self.checked)
        return f"n = {one}" if one == other else f"n = {one} and {other}"


@checked(plain=None, checked=None, method=checks.string)
def verdict(
    plain: Sequence[float] | np.ndarray,
    checked: Sequence[float] | np.ndarray,
    method: str = "The method",
    check: str | None = None,
) -> Verdict:
    """Tests whether a method beats its own sanity check.

        t = (mean of plain - mean of checked) / sqrt(s^2 / n + s'^2 / n')

    by Welch's test, which does not assume equal variances (Welch, 1947,
    https://doi.org/10.1093/biomet/34.1-2.28). If neither side varies, any
    difference is significant. Fewer than 3 figures of a side decide nothing.

    Args:
        plain: List of figures of the method, one per seed, such as accuracies
            in percent. Higher is better.
        checked: List of figures of its sanity check.
        method: The method's name in the sentence.
        check: One of the names that `config.pruner.check` takes, or `None`.

    Returns:
        A `Verdict`; `str` formats it as a sentence.

    Raises:
        ValueError: If a side has no figures or one that is not finite, or if
            there is no such check.

    Example:

    >>> print(kprune.sanity.verdict([97, 98, 99], [96, 98, 100], "SNIP"))
    SNIP does not beat its sanity check: 98.00 +- 1.00 against
    98.00 +- 2.00, difference +0.00 [-4.16, 4.16], p = 1, n = 3
    """
    if check is not None:
        lookup.choose(check, _RIVALS, "sanity check")
    plain, checked = _figures(plain, "plain"), _figures(checked, "checked")
    difference = statistics.mean(plain) - statistics.mean(checked)
    if min(len(plain), len(checked)) < 2:
        return Verdict(method, check, plain, checked, difference, None, None)
    interval, p = significance.welch(plain, checked)
    return Verdict(method, check, plain, checked, difference, interval, p)


def together(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Returns verdicts that are shown together, corrected for their number.

    Each p-value is corrected by Holm's method over all verdicts that have one,
    and decides instead of the interval alone. A single one stays as it is.
    """
    tested = {
        place: found.p_value
        for place, found in enumerate(verdicts)
        if found.p_value is not None
    }
    if len(tested) < 2:
        return list(verdicts)
    corrected = significance.holm(tested)
    return [
        dataclasses.replace(found, corrected=corrected.get(place))
        for place, found in enumerate(verdicts)
    ]


def caption(verdicts: Sequence[Verdict]) -> str:
    """Returns a sentence on the tests behind verdicts of `together`, or an
    empty string if there are none."""
    count = sum(found.p_value is not None for found in verdicts)
    if not count:
        return ""
    text = "Sanity checks: p is of Welch's test, two-sided"
    if count > 1:
        text += (
            f", and p (Holm) by Holm's correction over the {count} tests of "
            "this list, which decides at 5 %; intervals are uncorrected"
        )
    return f"{text}."


def _figures(values, name) -> tuple[float, ...]:
    listed = isinstance(values, list | tuple)
    listed = listed or (isinstance(values, np.ndarray) and values.ndim == 1)
    finite = listed and len(values) and all(map(checks.is_number, values))
    checks.require(finite, name, values, "one or more finite numbers")
    return tuple(map(float, values))
