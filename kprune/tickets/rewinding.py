"""Rewinds a model to saved weights, and verifies the result."""

import dataclasses

import keras
import numpy as np

from kprune.masking import weights, wrapping
from kprune.runtime import digests, lookup


@dataclasses.dataclass(frozen=True, eq=False)
class Point:
    """All values of a model, by name, after some steps of its training, with
    their original `digest`."""

    step: int
    values: dict
    digest: str

    def check(self):
        """Raises `ValueError` if the values have been changed."""
        found = digests.of_arrays(self.values)
        if found != self.digest:
            raise ValueError(
                f"The weights stored of step {self.step} have been changed. "
                f"Expected the SHA-256 {self.digest}. Received: {found}"
            )


def point(model, step):
    """Returns a `Point` with a copy of a model's values after `step` steps."""
    values = values_of(model)
    return Point(step, values, digests.of_arrays(values))


class TakePoint(keras.callbacks.Callback):
    """Calls `take(model)` after `step` steps of training."""

    def __init__(self, step, take):
        super().__init__()
        self._step = step
        self._take = take
        self._done = 0

    def get_state(self):
        return {"done": self._done}

    def set_state(self, state):
        self._done = state["done"]

    def on_train_batch_end(self, batch, logs=None):
        self._done += 1
        if self._done == self._step:
            self._take(self.model)


def values_of(model):
    """Returns a dict of a model's values by name, without its masks."""
    return {
        name: np.array(keras.ops.convert_to_numpy(variable))
        for name, variable in weights.named(model)
    }


def rewind(model, start, masks):
    """Sets a wrapped model to the values of a `Point` under masks, in place.

    Raises:
        ValueError: If the point was changed, or is of another model.
        RuntimeError: If the model's weights then differ from the point's.
    """
    start.check()
    variables = dict(weights.named(model))
    if set(variables) != set(start.values):
        raise ValueError(
            f"The weights stored of step {start.step} are of another model. "
            f"They differ in: {sorted(set(variables) ^ set(start.values))}"
        )
    expected = dict(start.values)
    for name in masks:
        lookup.choose(name, expected, "weight with a mask")
    for name, mask in masks.items():
        value = expected[name]
        expected[name] = np.where(mask, value, np.zeros((), value.dtype))
    for name, variable in variables.items():
        variable.assign(expected[name])
    wrapping.set_masks(model, masks)
    if digests.of_arrays(values_of(model)) != digests.of_arrays(expected):
        raise RuntimeError(
            f"Rewinding to step {start.step} left other weights than those "
            "stored."
        )
