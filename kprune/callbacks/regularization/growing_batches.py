"""PruneTrain's growing batches (Lym et al., 2019).

https://arxiv.org/abs/1901.09290
"""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kprune.graph import calls
from kprune.runtime import types


class GrowingBatches:
    """Grows the batches of a training as its model shrinks.

        floats = 2 * parameters + optimizer state + batch * layer outputs

    The batch becomes the largest multiple of `multiple` with which a step of
    the smaller model takes no more floats than one of the first model did. It
    never becomes smaller. The learning rate is multiplied by the same ratio as
    the batch.

    Args:
        model: A compiled Keras model, a graph of layers.
        batch: Integer >= 1, the number of examples of the first batches.
        multiple: Integer >= 1.

    Attributes:
        size: Integer, the current number of examples of a batch.

    Raises:
        ValueError: If the layers' outputs cannot be counted, or the
            optimizer's learning rate is a schedule.
    """

    def __init__(self, model: types.Model, batch: int, multiple: int) -> None:
        optimizer = model.optimizer
        # Of a schedule it is a dict.
        rate = optimizer.get_config()["learning_rate"]
        if isinstance(rate, dict):
            raise ValueError(
                "Expected the optimizer's learning rate to be a number, which "
                "is multiplied as batches grow: a schedule counts steps, of "
                "which there are fewer then. Received: "
                f"{rate['class_name']}. Lower the rate by a callback."
            )
        if not optimizer.built:
            optimizer.build(model.trainable_variables)
        self.size = self._first = batch
        self._multiple = multiple
        self._examples: int | None = None
        self._floats = fixed(model) + batch * layer_outputs(model)

    def grow(self, model: types.Model) -> None:
        """Sets the size for a smaller model, and scales its learning rate."""
        left = self._floats - fixed(model)
        fitting = left // layer_outputs(model)
        size = max(self.size, fitting // self._multiple * self._multiple)
        optimizer = model.optimizer
        rate = keras.ops.convert_to_numpy(optimizer.learning_rate)
        optimizer.learning_rate = float(rate) * size / self.size
        self.size = size

    def rebatch(
        self, data: tf.data.Dataset, steps: int | None
    ) -> tuple[tf.data.Dataset, int | None]:
        """Returns data in batches of the current size, and the number of steps
        of an epoch that has `steps` batches of the first size."""
        if self.size == self._first:
            return data, steps
        larger = data.rebatch(self.size)
        if steps is not None:
            return larger, math.ceil(steps * self._first / self.size)
        if self._examples is None:
            self._examples = int(data.reduce(np.int64(0), _count))
        # Keras warns of data that ends where it does not know the length.
        length = math.ceil(self._examples / self.size)
        return larger.apply(
            tf.data.experimental.assert_cardinality(length)
        ), None


def growing_batches(
    model: types.Model, data: tf.data.Dataset, multiple: int | None
) -> GrowingBatches | None:
    """Returns the growing batches of a training, or `None` if `multiple` is.

    Args:
        model: As for `GrowingBatches`.
        data: `tf.data.Dataset` whose first batch has the first size.
        multiple: Integer >= 1, or `None`.
    """
    if multiple is None:
        return None
    first: Any = next(iter(data))
    size = keras.tree.flatten(first)[0].shape[0]
    return GrowingBatches(model, int(size), multiple)


def _count(number, batch):
    first = keras.tree.flatten(batch)[0]
    return number + tf.shape(first, tf.int64)[0]


def layer_outputs(model: types.Model) -> int:
    """Returns the number of values that all layers output for an example."""
    if not calls.followable(model):
        raise ValueError(
            "Growing batches need a model that is a graph of layers "
            "(Sequential or Functional), whose outputs can be counted. "
            f"Received: {type(model).__name__} {model.name!r}"
        )
    total = 0
    for call in calls.record(model, lambda _: 0, lambda _: False).calls:
        for signal in () if call.crossing else call.outputs:
            if None in signal.shape[1:]:
                raise ValueError(
                    "Growing batches need layers whose outputs have known "
                    f"shapes. Received: {call.operation.name!r}, which outputs "
                    f"{signal.shape}"
                )
            total += math.prod(signal.shape[1:])
    return total


def fixed(model: types.Model) -> int:
    """Returns the number of floats of a step that no batch adds to: weights,
    their gradients and the optimizer's state."""
    state = sum(math.prod(v.shape) for v in model.optimizer.variables)
    return 2 * model.count_params() + state
