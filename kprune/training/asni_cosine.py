"""ASNI's cosine, which decays once per epoch."""

import math
from typing import Any

import keras
from keras import ops
from keras.optimizers import schedules

from kprune.runtime import checks, lookup

_CURVES = {
    "half": lambda progress: 0.5 * (1.0 + ops.cos(math.pi * progress)),
    "quarter": lambda progress: ops.cos(0.5 * math.pi * progress),
}


@keras.saving.register_keras_serializable("kprune")
class AsniCosine(schedules.LearningRateSchedule):
    """A cosine that ends above zero and changes only between epochs.

        lr = lr_0 (1 + cos(pi e / ((1 + delta) E))) / 2      curve="half"
        lr = lr_0 cos(pi e / (2 (1 + delta) E))              curve="quarter"

    where e of E epochs are over. After the last epoch the rate is constant.

    Amenable Sparse Network Investigator, https://arxiv.org/abs/2202.09284,
    prints lr_0 cos(pi e / (1 + delta) E), which is negative for the second
    half of the training. It is unclear which of the two curves it means; the
    half cosine is the usual one.

    Args:
        learning_rate: Float, lr_0.
        steps_per_epoch: Integer.
        epochs: Float, E.
        delta: Float >= 0. Defaults to 0.06, the paper's on CIFAR-10.
        curve: `"half"` or `"quarter"`. Defaults to `"half"`.

    Raises:
        ValueError: If `delta` or `curve` is invalid.
    """

    def __init__(
        self,
        learning_rate: float,
        steps_per_epoch: int,
        epochs: float,
        delta: float = 0.06,
        curve: str = "half",
    ):
        super().__init__()
        checks.number("delta", delta, "[0, inf)")
        lookup.choose(curve, _CURVES, "curve of the schedule 'asni_cosine'")
        self.learning_rate = learning_rate
        self.steps_per_epoch = steps_per_epoch
        self.epochs = epochs
        self.delta = delta
        self.curve = curve

    def __call__(self, step: Any) -> Any:
        epoch = ops.floor_divide(step, self.steps_per_epoch)
        epoch = ops.cast(epoch, keras.config.floatx())
        progress = ops.minimum(epoch, self.epochs) / self.epochs
        return self.learning_rate * _CURVES[self.curve](
            progress / (1.0 + self.delta)
        )

    def get_config(self) -> dict[str, Any]:
        return {
            "learning_rate": self.learning_rate,
            "steps_per_epoch": self.steps_per_epoch,
            "epochs": self.epochs,
            "delta": self.delta,
            "curve": self.curve,
        }
