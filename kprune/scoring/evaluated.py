"""Evaluates a derivative of the loss on the batches of an objective."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, Self

import keras
import tensorflow as tf

from kprune.runtime.progress import Progress
from kprune.scoring import config, points
from kprune.scoring.shared import Shared


class Evaluated:
    """What the methods of `Objective` have in common.

    Attributes:
        model, weights, others, scoring, shared, progress: As of `Objective`.
    """

    model: keras.Model
    weights: dict[str, Any]
    others: dict[str, Any]
    scoring: config.ScoringConfig
    shared: Shared
    progress: Progress
    # How many evaluations of a kind are expected; `None` if unknown.
    _evaluations: Callable[[str], int | None]
    # The numbers of the batches to read; `None` for all.
    _places: Sequence[int] | None

    def by_operation(self) -> Self | None:
        """Returns a view of this objective that computes eagerly, or `None` if
        Hessian-vector products are traced, scaled or taken on replicas.

        Differentiating a tape of its `gradient` equals `hvp` bit for bit.
        """
        products = self._evaluations("hvp")
        if not self.shared.derivatives.by_operation(products):
            return None
        view = copy.copy(self)
        view._evaluations = lambda kind: 1
        return view

    @property
    def strategy(self) -> tf.distribute.Strategy:
        """The `tf.distribute` strategy of the model."""
        return self.model.distribute_strategy

    def hand_on(self) -> None:
        """Hands traces and copies on to the next objective of the model."""
        self.shared.hand_on()

    def _mean(self, kind, weights, temperature, vector=None):
        names = self._names_of(weights)
        if vector is not None:
            self._names_of(vector)
        values = [tf.convert_to_tensor(weights[name]) for name in names]
        vectors = [
            tf.convert_to_tensor(vector[n]) for n in (names if vector else [])
        ]
        self.progress.begin_pass(len(self._numbers))
        return self.shared.mean(
            kind,
            values,
            self._numbers,
            self.progress,
            temperature=temperature or self.scoring.temperature or 1.0,
            vectors=vectors,
            evaluations=self._evaluations(kind),
        )

    def _named(self, kind, weights, temperature, vector=None):
        mean = self._mean(kind, weights, temperature, vector)
        result = dict(zip(self._names_of(weights), mean, strict=True))
        points.check_finite(result, "gradients")
        return result

    def _names_of(self, given):
        """Returns the names in `given`, in the order of the model."""
        return points.names(given, self.weights, self.others)

    @property
    def _numbers(self):
        if self._places is not None:
            return self._places
        return range(self.shared.data.batches.count(self.scoring.batches))
