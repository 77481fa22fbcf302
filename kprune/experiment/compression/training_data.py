"""Reads the batches of fine-tuning from any step on."""

import dataclasses
from collections.abc import Callable

import keras
import tensorflow as tf
from keras.optimizers import schedules

from kprune.runtime import checks, examples, fit_arguments
from kprune.training import durations


@dataclasses.dataclass(frozen=True)
class FineTuning:
    """The length and learning rate of the training of each candidate.

    Args:
        epochs: Integer >= 1. Defaults to 1.
        learning_rate: Float > 0 or a Keras schedule. Defaults to that of the
            compiled optimizer. A schedule starts anew for each candidate.
        steps_per_epoch: Integer >= 1. Defaults to the length of the data.
        checkpoint: How often to save, as `every` of
            `kprune.callbacks.Checkpoint`. Defaults to `"1ep"`.
        recalibrate: Whether to recompute the statistics of batch
            normalization afterwards, on up to 32 of the training batches.
            Defaults to `True`.
    """

    epochs: int = 1
    learning_rate: float | schedules.LearningRateSchedule | None = None
    steps_per_epoch: int | None = None
    checkpoint: str | int = "1ep"
    recalibrate: bool = True

    def __post_init__(self):
        checks.integer("epochs", self.epochs, 1)
        if not isinstance(
            self.learning_rate, schedules.LearningRateSchedule | None
        ):
            why = ", or a Keras schedule"
            checks.number("learning_rate", self.learning_rate, "(0, inf)", why)
        if self.steps_per_epoch is not None:
            checks.integer("steps_per_epoch", self.steps_per_epoch, 1)
        durations.steps(self.checkpoint, 1, 1)  # Raises if it cannot be read.
        checks.boolean("recalibrate", self.recalibrate)

    def settings(self):
        """Returns the fields as a dict, for JSON."""
        rate = self.learning_rate
        if isinstance(rate, schedules.LearningRateSchedule):
            rate = keras.saving.serialize_keras_object(rate)
        return {**vars(self), "learning_rate": rate}


def fine_tuning(name, value):
    """Returns a `FineTuning`, from epochs, a dict of its fields, or itself."""
    if isinstance(value, FineTuning):
        return value
    if not isinstance(value, dict):
        return FineTuning(int(checks.integer(name, value, 1, ", the epochs")))
    names = [field.name for field in dataclasses.fields(FineTuning)]
    unknown = sorted(map(str, set(value) - set(names)))
    expected = f"epochs, or a dict with some of {', '.join(names)}"
    checks.require(not unknown, name, value, expected)
    found = FineTuning(**value)
    numbers = {"epochs": int, "learning_rate": float, "steps_per_epoch": int}
    plain = {  # JSON cannot hold NumPy's numbers.
        key: kind(value[key])
        for key, kind in numbers.items()
        if checks.is_number(value.get(key))
    }
    return dataclasses.replace(found, **plain)


def check(name, value):
    """Returns valid training data: arrays, or as for `kprune.training.fit`."""
    if isinstance(value, tuple) and fit_arguments.are_arrays(value):
        fit_arguments.specs(name, value)
        return value
    return fit_arguments.training_data(name, value)


@dataclasses.dataclass(frozen=True)
class Steps:
    """A source of training batches from any step on.

    Attributes:
        read: Function from a step to an endless data set that starts there.
        per_epoch: Integer, the steps of an epoch.
    """

    read: Callable
    per_epoch: int

    def since(self, step):
        """Returns the function `read` with steps counted from another one."""
        return lambda later: self.read(step + later)


@dataclasses.dataclass(frozen=True)
class Training:
    """The training of candidates: a `FineTuning`, the `Steps` it reads, and
    what identifies their data."""

    finetune: FineTuning
    steps: Steps
    data: str


def steps(train, steps_per_epoch, batch_size, seed):
    """Returns the `Steps` of training data.

    Args:
        train: As for `check`.
        steps_per_epoch: Integer, or `None` for the length of the data.
        batch_size: Integer, for arrays.
        seed: Integer, for the order of arrays.
    """
    if isinstance(train, tuple):
        count = examples.count(tf.nest.flatten(train)[0])
        whole = -(-count // batch_size)
        read = _shuffled(train, count, batch_size, seed)
        return Steps(read, steps_per_epoch or whole)
    if isinstance(train, tf.data.Dataset):
        length = steps_per_epoch or int(train.cardinality())
        read = train.repeat().skip
    else:
        length, read = steps_per_epoch, train
    why = ', in `finetune={"steps_per_epoch": ...}`, as `train` has no length'
    checks.integer("steps_per_epoch", length, 1, why)
    return Steps(read, length)


def _shuffled(arrays, count, batch_size, seed):
    """Returns the function from a step to the batches of arrays from there on.

    The order of each pass depends on the seed and the pass only.
    """
    whole = tf.nest.map_structure(tf.convert_to_tensor, arrays)
    per_pass = -(-count // batch_size)

    def order(number):
        places = tf.random.experimental.stateless_shuffle(
            tf.range(count), [tf.cast(seed, tf.int64), number]
        )
        return tf.data.Dataset.from_tensor_slices(places).batch(batch_size)

    def batch(places):
        return tf.nest.map_structure(lambda a: tf.gather(a, places), whole)

    def read(step):
        passed, rest = divmod(step, per_pass)
        places = tf.data.Dataset.counter(passed).flat_map(order)
        return places.skip(rest).map(batch).prefetch(2)

    return read
