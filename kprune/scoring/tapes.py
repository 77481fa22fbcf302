"""Keeps gradient tapes for the Hessian-vector products of training steps."""

import tensorflow as tf
from absl import logging

from kprune.runtime import memory
from kprune.scoring.points import check_finite


class Tapes:
    """Tapes of some steps of training, as many as fit a budget.

    The last step's tape is always kept. The growth of the process tells how
    much memory tapes take.

    Args:
        steps: Integer, the number of steps.
        budget: Bytes. Defaults to a quarter of the free memory.
    """

    def __init__(self, steps, budget=None):
        if budget is None:
            budget = (memory.free() or 0) // 4
        self._steps, self._budget = steps, budget
        self._start = memory.held()
        self._kept = []

    def keep(self, objectives, number):
        """Replaces the objective of a step by a `Taped` one if there is room.

        If the first tape turns out too large, it is dropped and the plain
        objective restored.

        Args:
            objectives: List with the objective of each step, modified in place.
            number: Integer, the number of the step that comes next.
        """
        if number == 1 and not self._fits(1):
            for taped in self._kept:
                objectives[0] = taped.objective
            self._kept.clear()
        last = number == self._steps - 1
        if last or (number == 0 and self._budget) or self._fits(2):
            taped = objectives[number] = Taped(objectives[number])
            self._kept.append(taped)

    def _fits(self, more):
        """Returns whether so many more tapes of the present size fit."""
        if not self._kept:
            return False
        grown = max(memory.held() - self._start, 0)
        return grown * (1 + more / len(self._kept)) <= self._budget

    def tell(self):
        """Logs how many tapes are kept."""
        logging.info(
            "The tapes of %d of %d inner steps are kept, within %d bytes; the "
            "other steps are computed again.",
            len(self._kept),
            self._steps,
            self._budget,
        )


class Taped:
    """An objective whose gradient is taped, for one Hessian-vector product at
    the same point.

    Args:
        objective: An `Objective` that computes eagerly (`by_operation`).
    """

    def __init__(self, objective):
        self.objective = objective
        self._taped = None

    def gradient(self, weights):
        """Returns the gradient, as `Objective.gradient`, and keeps its tape."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            gradient = self.objective.gradient(weights)
        self._taped = tape, gradient, weights
        return gradient

    def hvp(self, weights, vector):
        """Returns H v at the last gradient's point, and drops the tape."""
        del weights
        tape, gradient, at = self._taped
        self._taped = None
        product = tape.gradient(
            gradient,
            at,
            output_gradients=vector,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        product = {n: tf.convert_to_tensor(p) for n, p in product.items()}
        check_finite(product, "gradients")
        return product
