"""Trains from one step to another, through partial epochs."""

import dataclasses
from collections.abc import Callable

from kprune.training import Checkpoint, durations, fit


@dataclasses.dataclass(frozen=True)
class TrainingSegment:
    """The training that every level goes through, or the end of it: `train` is
    a function from a step, `every` how often to save, as for `Checkpoint`."""

    train: Callable
    steps_per_epoch: int
    epochs: int
    validation_data: object = None
    every: str | int = "1ep"
    verbose: str | int = "auto"

    @property
    def steps(self):
        """How many steps the whole training has."""
        return self.steps_per_epoch * self.epochs

    def run(self, model, start, stop, directory=None, callbacks=()):
        """Trains a model from step `start` to step `stop`, each of the `parts`
        a training of its own to the callbacks.

        Returns what was measured at the end of each epoch, a dict of lists: in
        one that was begun before, over the steps from `start` on.
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
        # Of the whole training, of which this may be a part.
        every = durations.steps(self.every, self.steps_per_epoch, self.steps)
        return Checkpoint(directory / f"from-{first:09d}", max(1, every))


def parts(start, stop, steps_per_epoch):
    """Returns the steps from `start` to `stop`, cut where an epoch ends.

    A list of `(first step, length, number)`: whole epochs in one, `number` of
    them; before and after, what is left of an epoch.
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
