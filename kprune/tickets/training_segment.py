"""Trains from one step to another, through partial epochs."""

import dataclasses
from collections.abc import Callable

from kprune.training import Checkpoint, durations, fit


@dataclasses.dataclass(frozen=True)
class TrainingSegment:
    """The training of every level, or the end of it.

    Args:
        train: Function from a step to an endless data set.
        steps_per_epoch: Integer.
        epochs: Integer, of the whole training.
        validation_data, verbose: As for `model.fit`.
        every: How often to save, as for `Checkpoint`.
    """

    train: Callable
    steps_per_epoch: int
    epochs: int
    validation_data: object = None
    every: str | int = "1ep"
    verbose: str | int = "auto"

    @property
    def steps(self):
        """The number of steps of the whole training."""
        return self.steps_per_epoch * self.epochs

    def run(self, model, start, stop, directory=None, callbacks=()):
        """Trains a model from step `start` to step `stop`.

        Callbacks see each of the `parts` as a separate training.

        Returns:
            Dict of lists, the logs at the end of each epoch. Those of an epoch
            that began before `start` cover only the steps from `start` on.
        """
        history = {}
        for first, length, epochs in parts(start, stop, self.steps_per_epoch):
            whole = (first + length) % self.steps_per_epoch == 0
            found = fit(
                model,
                lambda step, first=first: self.train(first + step),
                epochs,
                steps_per_epoch=length,
                checkpoint=self._checkpoint(directory, first),
                callbacks=callbacks,
                validation_data=self.validation_data if whole else None,
                verbose=self.verbose,
            )
            for name, values in found.history.items() if whole else ():
                history.setdefault(name, []).extend(map(float, values))
        return history

    def _checkpoint(self, directory, first):
        if directory is None:
            return None
        # Percentages refer to the whole training.
        every = durations.steps(self.every, self.steps_per_epoch, self.steps)
        return Checkpoint(directory / f"from-{first:09d}", max(1, every))


def parts(start, stop, steps_per_epoch):
    """Splits the steps from `start` to `stop` where an epoch begins or ends.

    Returns:
        A list of `(first step, length, number)`: at most one entry for the
        rest of a begun epoch, one for `number` whole epochs, and one for the
        beginning of the last epoch.
    """
    found = []
    if start % steps_per_epoch:
        end = min(stop, start + -start % steps_per_epoch)
        found.append((start, end - start, 1))
        start = end
    epochs, rest = divmod(stop - start, steps_per_epoch)
    if epochs:
        found.append((start, steps_per_epoch, epochs))
    if rest:
        found.append((stop - rest, rest, 1))
    return found
