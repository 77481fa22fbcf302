"""GReg's early end: a penalty stops growing once its weights are small.

Wang et al., 2021, https://arxiv.org/abs/2012.09243; the rule is that of the
authors' code.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kprune.callbacks.regularization.penalty_schedule import PenaltySchedule
from kprune.runtime import checks

_METHODS = ("greg1", "greg2")


class EarlyEnd:
    """Ends the growth of lambda by the magnitudes of the weights.

        ratio = mean |w| of the others / mean |w| of the picked ones
        average = 0.9 average + 0.1 ratio,  at first the ratio

    Both are updated whenever lambda grows. The growth of a weight tensor ends
    once its average is at least `ratio`.

    Args:
        ratio: Number > 1.
        together: Whether growth goes on in all weight tensors until all
            averages are large enough.
    """

    def __init__(self, ratio: float, together: bool) -> None:
        self.ratio = ratio
        self.together = together
        self.begin({})

    @classmethod
    def of(
        cls, method: str, ratio: float | None, cycles: int
    ) -> "EarlyEnd | None":
        """Returns the early end of a method of `GrowingRegularization`, or
        `None` without `ratio`."""
        if ratio is None:
            return None
        checks.number("end_ratio", ratio, "(1, inf)")
        why = "None, as only 'greg1' and 'greg2' in one cycle end early"
        known = method in _METHODS and cycles == 1
        checks.require(known, "end_ratio", ratio, why)
        return cls(ratio, together=method == "greg1")

    def begin(self, variables: dict[str, keras.Variable]) -> None:
        """Starts anew with the variables of a model, by name."""
        self._variables = variables
        self.state = {"averages": {}, "ends": {}, "growths": 0}

    @property
    def state(self) -> dict[str, Any]:
        """What to resume from: averages, the steps of ends, and growths."""
        return {
            "averages": dict(self._averages),
            "ends": dict(self._ends),
            "growths": self._growths,
        }

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self._averages: dict[str, float] = dict(state["averages"])
        self._ends: dict[str, int] = dict(state["ends"])
        self._growths: int = state["growths"]

    def follow(
        self,
        course: PenaltySchedule,
        step: int,
        picked: Callable[[], dict[str, np.ndarray]],
        masks: Callable[[], dict[str, np.ndarray]],
    ) -> int | None:
        """Updates the averages if lambda has just grown.

        Args:
            course: The schedule of lambda.
            step: Integer, the number of steps done.
            picked, masks: Functions without arguments that return boolean
                arrays by name.

        Returns:
            The number of steps of growth, if that of the last weight tensor
            ends at this step, otherwise `None`.
        """
        growths = course.growths(step)
        if growths in (0, self._growths):
            return None
        self._growths = growths
        there, chosen = masks(), picked()
        for name, variable in self._variables.items():
            if name not in self._ends:
                size = np.abs(keras.ops.convert_to_numpy(variable))
                ratio = magnitude_ratio(size, chosen[name], there[name])
                before = self._averages.get(name, ratio)
                self._averages[name] = 0.9 * before + 0.1 * ratio
        large = [n for n, a in self._averages.items() if a >= self.ratio]
        everywhere = len(large) == len(self._averages)
        if everywhere or not self.together:
            for name in large:
                self._ends.setdefault(name, step)
        return step - course.begin - course.picking if everywhere else None

    def held(self, course: PenaltySchedule, step: int) -> dict[str, float]:
        """Returns lambda of the weights whose growth has ended, by name."""
        if step >= course.end:
            return {}
        return {n: course.penalties(end)[0] for n, end in self._ends.items()}


def magnitude_ratio(
    sizes: np.ndarray, picked: np.ndarray, mask: np.ndarray
) -> float:
    """Returns the mean magnitude of other weights over that of picked ones.

    Args:
        sizes: Array of magnitudes.
        picked, mask: Boolean arrays of its shape. Weights outside of the mask
            do not count.

    Returns:
        A number, infinity if nothing is picked or all picked are 0.
    """
    small = float(sizes[picked].mean()) if picked.any() else 0.0
    others = sizes[mask & ~picked]
    if not small:
        return float("inf")
    return float(others.mean()) / small if others.size else 0.0
