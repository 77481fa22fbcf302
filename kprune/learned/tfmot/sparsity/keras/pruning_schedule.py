"""Sparsity as a function of the training step."""

import abc
import numbers
from typing import Any

import keras
import tensorflow as tf

from kprune.runtime import checks
from kprune.runtime.doors import checked


class PruningSchedule(abc.ABC):
    """Base class of schedules: when to prune, and to which sparsity.

    A subclass defines `get_config` and `__call__(step)`, which returns two
    tensors: whether masks are due at the step (the first is 1), and their
    sparsity.
    """

    @abc.abstractmethod
    def __call__(self, step: Any) -> tuple[Any, Any]:
        """Returns (whether to prune, sparsity) at a step, two tensors."""

    @abc.abstractmethod
    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "PruningSchedule":
        """Returns a schedule from a config, in Keras' form or in TFMOT's,
        which has the class name."""
        return cls(**config.get("config", config))

    def _config(self, **arguments):
        return {"class_name": type(self).__name__, "config": arguments}


class _Periodic(PruningSchedule):
    """A schedule that prunes every `frequency` steps, from `begin_step` to
    `end_step`."""

    def __init__(self, begin_step, end_step, frequency):
        # Tutorials pass NumPy integers, which do not mix with tensors.
        self.begin_step = int(checks.integer("begin_step", begin_step))
        self.frequency = int(checks.integer("frequency", frequency, 1))
        endless = isinstance(end_step, numbers.Integral) and end_step == -1
        if not endless:
            least, why = self.begin_step, ", no earlier than `begin_step`"
            checks.integer("end_step", end_step, least, why)
        self.end_step = int(end_step)

    def _is_due(self, step):
        begun = tf.convert_to_tensor(step >= self.begin_step)
        ended = tf.convert_to_tensor(
            self.end_step >= 0 and step > self.end_step
        )
        turn = tf.convert_to_tensor(
            (step - self.begin_step) % self.frequency == 0
        )
        return begun & turn & ~ended


@keras.saving.register_keras_serializable("kprune")
class ConstantSparsity(_Periodic):
    """Prunes to a constant sparsity every `frequency` steps.

    Args:
        target_sparsity: Share of the entries to remove, in [0, 1).
        begin_step: Integer >= 0, the first step to prune at. The first
            training step is 1.
        end_step: Integer, the last step to prune at. Defaults to -1: no end.
        frequency: Integer >= 1, steps between two updates. Defaults to 100.

    Example:

    >>> schedule = kprune.tfmot.sparsity.keras.ConstantSparsity(0.5, 2)
    >>> due, sparsity = schedule(keras.ops.array(102))
    >>> bool(due), float(sparsity)
    (True, 0.5)
    """

    @checked(target_sparsity=checks.sparsity)
    def __init__(
        self,
        target_sparsity: float,
        begin_step: int,
        end_step: int = -1,
        frequency: int = 100,
    ) -> None:
        super().__init__(begin_step, end_step, frequency)
        self.target_sparsity = float(target_sparsity)

    def __call__(self, step: Any) -> tuple[Any, Any]:
        sparsity = tf.constant(self.target_sparsity, tf.float32)
        return self._is_due(step), sparsity

    def get_config(self) -> dict[str, Any]:
        return self._config(
            target_sparsity=self.target_sparsity,
            begin_step=self.begin_step,
            end_step=self.end_step,
            frequency=self.frequency,
        )


@keras.saving.register_keras_serializable("kprune")
class PolynomialDecay(_Periodic):
    """Polynomial rise of the sparsity, fast at first (Zhu & Gupta, 2017).

        sparsity = final + (initial - final) (1 - p)^power,
        p = (step - begin_step) / (end_step - begin_step)

    Args:
        initial_sparsity: Sparsity at `begin_step`, in [0, 1).
        final_sparsity: Sparsity at `end_step`, in [0, 1).
        begin_step: Integer >= 0, the first step to prune at. The first
            training step is 1.
        end_step: Integer > `begin_step`, the last step to prune at.
        power: Number > 0, the exponent. Defaults to 3.
        frequency: Integer >= 1, steps between two updates. Defaults to 100.

    Example:

    >>> decay = kprune.tfmot.sparsity.keras.PolynomialDecay(0.0, 0.8, 0, 200)
    >>> due, sparsity = decay(keras.ops.array(100))
    >>> bool(due), round(float(sparsity), 3)
    (True, 0.7)
    """

    @checked(
        initial_sparsity=checks.sparsity,
        final_sparsity=checks.sparsity,
        power=checks.within("(0, inf)"),
    )
    def __init__(
        self,
        initial_sparsity: float,
        final_sparsity: float,
        begin_step: int,
        end_step: int,
        power: float = 3,
        frequency: int = 100,
    ) -> None:
        super().__init__(begin_step, end_step, frequency)
        later = self.end_step > self.begin_step
        checks.require(later, "end_step", end_step, "a step after `begin_step`")
        self.initial_sparsity = float(initial_sparsity)
        self.final_sparsity = float(final_sparsity)
        self.power = power

    def __call__(self, step: Any) -> tuple[Any, Any]:
        # In float32 throughout, as in TFMOT.
        done = tf.cast(step - self.begin_step, tf.float32)
        p = tf.clip_by_value(done / (self.end_step - self.begin_step), 0.0, 1.0)
        rest = self.initial_sparsity - self.final_sparsity
        sparsity = rest * (1 - p) ** self.power + self.final_sparsity
        return self._is_due(step), sparsity

    def get_config(self) -> dict[str, Any]:
        return self._config(
            initial_sparsity=self.initial_sparsity,
            final_sparsity=self.final_sparsity,
            power=self.power,
            begin_step=self.begin_step,
            end_step=self.end_step,
            frequency=self.frequency,
        )


HALF = ConstantSparsity(0.5, 0)  # TFMOT's default.
