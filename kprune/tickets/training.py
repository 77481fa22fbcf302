"""The data and duration that each level trains with."""

import dataclasses
import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kprune.runtime import checks, fit_arguments, paths, seeds, types
from kprune.runtime.doors import checked
from kprune.tickets.training_segment import TrainingSegment
from kprune.training import durations


@checked(
    data=None,
    steps_per_epoch=checks.optional(checks.at_least(1)),
    augment=checks.optional(checks.of_function(2, "(inputs, seed)")),
    directory=checks.optional(paths.directory),
    validation_data=checks.optional(fit_arguments.validation_data),
)
@dataclasses.dataclass(frozen=True, eq=False)
class Training:
    """The training of the whole network, which each level repeats.

    Args:
        data: As for `kprune.training.fit`: a `tf.data.Dataset`, or a function
            from a step to an endless one. Only a function gives every level
            the same order, and resumes a killed search exactly; a data set
            that shuffles changes its order on each pass. `prac` takes arrays
            `(x, y)`.
        epochs: Integer > 0, of the whole training. Defaults to 1.
        steps_per_epoch: Integer. Defaults to the length of the data set;
            required if `data` is a function.
        validation_data: As for `model.fit`.
        batch_size: Integer > 0, for arrays. The last batch of an epoch may be
            smaller. Defaults to 128.
        augment: For arrays, a function of a batch of inputs and a seed, an
            int64 tensor of shape `(2,)`, that returns the inputs to train on.
            It must be TensorFlow operations, random only by the seed.
        directory: Path to store the search in. The same call resumes from it:
            finished levels are read instead of trained, an interrupted one
            resumes from its last checkpoint, and the initial weights are the
            stored ones.
        checkpoint: How often to save within a level, as `every` of
            `kprune.callbacks.Checkpoint`. Defaults to `"1ep"`.
        seed: Integer >= 0, for ties, the order of arrays and `augment`.
            Defaults to 0.
        verbose: As for `model.fit`.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    >>> training = kprune.tickets.Training(train, epochs=2, verbose=0)
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile("adam", loss)
    >>> ticket = kprune.tickets.after_training(model, training, 0.9)
    >>> round(ticket.sparsity, 4)
    0.9
    """

    data: object
    epochs: int = 1
    steps_per_epoch: int | None = None
    validation_data: types.Data | None = None
    batch_size: int = 128
    augment: Callable[[Any, Any], Any] | None = None
    directory: str | os.PathLike[str] | None = None
    checkpoint: str | int = "1ep"
    seed: int = 0
    verbose: str | int = "auto"

    def __post_init__(self) -> None:
        checks.integer("epochs", self.epochs, 1)
        checks.integer("batch_size", self.batch_size, 1)
        seeds.check(self.seed)

    def segment(self) -> TrainingSegment:
        """Returns the `TrainingSegment` of all steps."""
        data: Any = self.data
        length: Any = self.steps_per_epoch
        epochs = self.epochs
        expected = "a tf.data.Dataset of batches, or a function from a step"
        known = callable(data) or isinstance(data, tf.data.Dataset)
        kind = type(data).__name__
        checks.require(known, "data", kind, f"{expected} to one")
        why = "None, as it is of arrays (x, y)"
        checks.require(self.augment is None, "augment", self.augment, why)
        if length is None and not callable(data):
            length = int(data.cardinality())
        why = ", as the length of an epoch is not known"
        checks.integer("steps_per_epoch", length, 1, why)
        every = durations.steps(self.checkpoint, length, length * epochs)
        least = "a step at least"
        checks.require(every >= 1, "checkpoint", self.checkpoint, least)
        train = data if callable(data) else self._from_step
        how = self.validation_data, self.checkpoint, self.verbose
        return TrainingSegment(train, length, epochs, *how)

    def _from_step(self, step):
        return self.data.repeat().skip(step)


# The replacements of arguments of kprune 0.1, for `runtime.renamed`.
WAYS = {
    name: f"`kprune.tickets.Training(..., {name}=...)` in place of the data"
    for name in [field.name for field in dataclasses.fields(Training)][1:]
}


def get(training):
    """Returns a `Training`, made with defaults if only data is given."""
    return training if isinstance(training, Training) else Training(training)
