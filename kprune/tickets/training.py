"""The data and duration that each level trains with."""

import dataclasses
import os
from collections.abc import Callable

import tensorflow as tf

from kprune.runtime import checks, fit_arguments, paths, seeds
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
    """The training of the whole network, which each level goes through.

    Args:
        data: As for `kprune.training.fit`: a `tf.data.Dataset`, or a function
            from a step to an endless one. Only a function lets every level
            read the same order, and goes on to the bit where a search was
            killed; a data set that shuffles is in another order each time it
            is read. `prac` takes arrays `(x, y)`.
        epochs: Integer, of the whole training.
        steps_per_epoch: Integer. Defaults to the length of the data set.
        validation_data: As for `model.fit`.
        batch_size: Integer, of arrays. The last batch of an epoch may be
            smaller.
        augment: Of arrays: function of a batch of inputs and a seed, an int64
            tensor of shape `(2,)`, that returns what to train on: TensorFlow
            operations that draw nothing but from the seed.
        directory: Path to keep the search in. The same call goes on there:
            finished levels are read, not trained again, one under way goes on
            from its last checkpoint, and the initial weights are those stored
            there.
        checkpoint: How often to save within a level: as `every` of
            `kprune.callbacks.Checkpoint`.
        seed: Integer >= 0, for ties, the order of arrays and `augment`.
        verbose: As for `model.fit`.

    Raises:
        ValueError: If an argument does not fit.

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
    validation_data: object = None
    batch_size: int = 128
    augment: Callable | None = None
    directory: str | os.PathLike | None = None
    checkpoint: str | int = "1ep"
    seed: int = 0
    verbose: str | int = "auto"

    def __post_init__(self):
        checks.integer("epochs", self.epochs, 1)
        checks.integer("batch_size", self.batch_size, 1)
        seeds.check(self.seed)

    def segment(self):
        """Returns the `TrainingSegment` of all steps."""
        data, length, epochs = self.data, self.steps_per_epoch, self.epochs
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


# What to write for arguments of 0.1, for `runtime.renamed`.
WAYS = {
    name: f"`kprune.tickets.Training(..., {name}=...)` in place of the data"
    for name in [field.name for field in dataclasses.fields(Training)][1:]
}


def get(training):
    """Returns a `Training`: itself, or of data alone."""
    return training if isinstance(training, Training) else Training(training)
