"""GReg's quadratic penalty, one factor per weight (Wang et al., 2021).

https://arxiv.org/abs/2012.09243
"""

from typing import Any

import keras
import numpy as np

from kprune.callbacks.regularization.added import Added, attach, take_off


class GrowingPenalty(Added):
    """Penalizes the picked entries of a variable and the others separately.

        gradient of w  +=  lambda w

    The penalty, lambda w^2 / 2, enters the gradient only: the loss that `fit`
    shows stays that of the task.

    Args:
        picked: Boolean variable of the weight's shape.
        on_picked, on_others: Scalar variables, lambda of the picked entries
            and of the others. Assigning them takes effect in traced steps.
        own: The variable's own regularizer, or `None`.
    """

    def __init__(
        self,
        picked: keras.Variable,
        on_picked: keras.Variable,
        on_others: keras.Variable,
        own: keras.regularizers.Regularizer | None = None,
    ) -> None:
        super().__init__(own)
        self.picked = picked
        self.on_picked = on_picked
        self.on_others = on_others

    def penalty(self, w: Any) -> Any:
        ops = keras.ops
        strength = ops.where(self.picked, self.on_picked, self.on_others)
        value = ops.sum(ops.cast(strength, w.dtype) * ops.square(w)) / 2
        # The value is 0 and the gradient that of the penalty.
        return value - ops.stop_gradient(value)


class Penalties:
    """The penalties of a model's weights, and which entries are picked.

    Args:
        model: A compiled Keras model.
        variables: Dict of the penalized variables by name.
        separate: Whether each weight has a lambda of its own.
    """

    def __init__(
        self,
        model: keras.Model,
        variables: dict[str, keras.Variable],
        separate: bool = False,
    ) -> None:
        with model.distribute_strategy.scope():
            self._others = _strength("on_others")
            shared = _strength("on_picked")
            self._on_picked = {
                name: _strength("on_picked") if separate else shared
                for name in variables
            }
            self._picked = {n: _none_of(n, v) for n, v in variables.items()}
        self._added: list[tuple[Any, Added]] = [
            (
                variable,
                GrowingPenalty(
                    self._picked[name], self._on_picked[name], self._others
                ),
            )
            for name, variable in variables.items()
        ]
        self._set: tuple[Any, ...] = ()

    def attach(self, model: keras.Model) -> None:
        """Adds the penalties to the training loss of the model."""
        attach(model, self._added)

    def take_off(self, model: keras.Model) -> None:
        """Removes the penalties from the training loss of the model."""
        take_off(model, self._added)

    @property
    def names(self) -> list[str]:
        """The names of the penalized variables."""
        return list(self._picked)

    def picked(self) -> dict[str, np.ndarray]:
        """Returns the picked entries, boolean arrays by name."""
        numpy = keras.ops.convert_to_numpy
        return {name: numpy(v) for name, v in self._picked.items()}

    def pick(self, picked: dict[str, np.ndarray]) -> None:
        """Sets the picked entries."""
        for name, variable in self._picked.items():
            variable.assign(picked[name])

    def set(self, on_picked: dict[str, float], on_others: float) -> None:
        """Sets lambda of the picked entries of each weight, and of the others;
        a no-op if nothing changed, as assigning in each step would be slow."""
        if (on_picked, on_others) == self._set:
            return
        self._others.assign(on_others)
        # One variable may serve all weights.
        once = {id(v): (v, on_picked[n]) for n, v in self._on_picked.items()}
        for variable, value in once.values():
            variable.assign(value)
        self._set = (on_picked, on_others)


def _strength(name):
    return keras.Variable(0.0, trainable=False, name=name)


def _none_of(name, variable):
    return keras.Variable(
        np.zeros(variable.shape, bool),
        dtype="bool",
        trainable=False,
        name=f"{name.replace('/', '_')}_picked",
    )
