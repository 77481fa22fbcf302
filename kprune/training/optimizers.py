"""Optimizers of the papers, where Keras' differ."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kprune.runtime import checks
from kprune.runtime.keras_internals import GradientDecay


@keras.saving.register_keras_serializable("kprune")
class TorchSGD(GradientDecay):
    """Gradient descent with the update rule of `torch.optim.SGD`.

        g <- g + weight_decay * w
        v <- momentum * v + g                       from v = 0
        w <- w - lr * v                             plain
        w <- w - lr * (g + momentum * v)            with `nesterov`

    It differs from `keras.optimizers.SGD` in two points. Weight decay goes
    through the momentum, and all trainable variables decay, biases and those
    of batch normalization included, unless `exclude_from_weight_decay` names
    them. And the momentum accumulates gradients instead of steps: when the
    learning rate drops, the whole step drops at once.

    Args:
        learning_rate: Float, a `LearningRateSchedule`, or a callable.
        momentum: Float in [0, 1]. Defaults to 0.
        nesterov: Boolean, whether to use Nesterov momentum. Defaults to
            `False`.
        weight_decay: Float >= 0. Defaults to 0.
        **kwargs: Options of all Keras optimizers: `name`, `clipnorm`,
            `use_ema` and so on. Gradients are clipped before the decay is
            added, as with `torch.nn.utils.clip_grad_norm_`.

    Raises:
        ValueError: If `momentum` or `weight_decay` is out of range, or
            `nesterov` is not a boolean or is `True` without momentum.

    Example:

    >>> optimizer = kprune.training.TorchSGD(
    ...     0.1, momentum=0.9, weight_decay=5e-4)
    >>> model.compile(optimizer, "mse")
    """

    def __init__(
        self,
        learning_rate: (
            float
            | keras.optimizers.schedules.LearningRateSchedule
            | Callable[..., Any]
        ),
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        **kwargs: Any,
    ):
        learning_rate = _rate(learning_rate)
        checks.number("momentum", momentum, "[0, 1]")
        checks.number("weight_decay", weight_decay, "[0, inf)")
        # PyTorch's arguments have another order: a number here is a mistake.
        checks.instance("nesterov", nesterov, bool, "True or False")
        steps = momentum > 0 or not nesterov
        expected = "a number above 0, along which `nesterov=True` steps"
        checks.require(steps, "momentum", momentum, expected)
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.momentum = momentum
        self.nesterov = nesterov

    def build(self, variables: list[keras.Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self.momentums = []
        if self.momentum:
            self.momentums = self.add_optimizer_variables(variables, "momentum")

    def update_step(
        self, gradient: Any, variable: keras.Variable, learning_rate: Any
    ) -> None:
        gradient = ops.cast(gradient, variable.dtype)
        # Decay is added here, not in `apply`: replicas sum their gradients in
        # between, and would sum the decay with them.
        if self.decays(variable):
            decay = ops.cast(self.weight_decay, variable.dtype)
            gradient = ops.add(gradient, ops.multiply(decay, variable))
        if self.momentum:
            gradient = self._with_momentum(gradient, variable)
        learning_rate = ops.cast(learning_rate, variable.dtype)
        self.assign_sub(variable, ops.multiply(learning_rate, gradient))

    def _with_momentum(self, gradient, variable):
        """Updates a variable's momentum and returns the step direction."""
        slot = self.momentums[self.place(variable)]
        momentum = ops.cast(self.momentum, variable.dtype)
        velocity = ops.add(ops.multiply(momentum, slot), gradient)
        self.assign(slot, velocity)
        if self.nesterov:
            return ops.add(gradient, ops.multiply(momentum, velocity))
        return velocity

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "nesterov": self.nesterov,
        }


def _rate(value):
    """Returns a learning rate as Keras takes it."""
    if checks.is_number(value):
        return float(value)  # Keras takes no integers.
    if isinstance(value, dict) and "class_name" in value:
        return value  # The config of a saved optimizer's schedule.
    schedule = keras.optimizers.schedules.LearningRateSchedule
    known = isinstance(value, schedule) or (
        callable(value) and not isinstance(value, type)
    )
    expected = "a number, a LearningRateSchedule or a function"
    return checks.require(known, "learning_rate", value, expected)
