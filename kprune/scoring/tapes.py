"""Keeps gradient tapes for Hessian-vector products at one point."""

import tensorflow as tf
from absl import logging

from kprune.runtime import memory
from kprune.scoring.points import check_finite


class Tapes:
    """Tapes of some steps of training, as many as fit a budget.

    That of the last step is always kept. What a tape takes is measured by the
    growth of the process with the first.

    Args:
        steps: Integer, how many there are.
        budget: Bytes, or `None` for a quarter of the memory that is free.
    """

    def __init__(self, steps, budget=None):
        if budget is None:
            budget = (memory.free() or 0) // 4
        self._steps, self._budget = steps, budget
        self._start = memory.held()
        self._kept = []

    def keep(self, objectives, number):
        """Lets the objective of the next step, by number, in a list, keep its
        tape if there is room. The first tape is given up if it was too large.
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
        """Whether so many more tapes fit, of the size of those there are."""
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
    """An objective that takes Hessian-vector products, once, at the point of
    its last gradient, by the tape of it.

    Args:
        objective: An `Objective` that is `differentiable`.
    """

    def __init__(self, objective):
        self.objective = objective
        self._taped = None

    def gradient(self, weights):
        """Returns the gradient, as of `Objective`."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            gradient = self.objective.gradient(weights)
        self._taped = tape, gradient, weights
        return gradient

    def hvp(self, weights, vector):
        """Returns H v where the gradient was taken, as of `Objective`."""
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
