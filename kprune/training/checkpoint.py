"""The callback that checkpoints a run of `kprune.training.fit`."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
from absl import logging

from kprune.masking import weights
from kprune.runtime import checks, distribution, types
from kprune.runtime.doors import checked
from kprune.training import durations, state
from kprune.training.files import CheckpointFiles
from kprune.training.termination import Terminated, Termination


@dataclasses.dataclass(frozen=True)
class Place:
    """How far a run got.

    Attributes:
        epoch: Number of finished epochs.
        step: Number of finished steps of the current epoch.
        stopped: Whether a callback ended the training there.
        logs: Tuple with the Keras logs of each finished epoch.
    """

    epoch: int = 0
    step: int = 0
    stopped: bool = False
    logs: tuple = ()

    @classmethod
    def read(cls, found: Any) -> "Place":
        """Returns the place stored in a checkpoint; raises `ValueError` if it
        is malformed."""
        names = [field.name for field in dataclasses.fields(cls)]
        expected = f"{names}, as a checkpoint has them"
        whole = isinstance(found, dict) and sorted(found) == sorted(names)
        checks.require(whole, "place", found, expected)
        for name in ("epoch", "step"):
            checks.integer(name, found[name])
        checks.instance("stopped", found["stopped"], bool, "a boolean")
        fit = isinstance(found["logs"], list)
        fit = fit and all(isinstance(logs, dict) for logs in found["logs"])
        checks.require(fit, "logs", found["logs"], "a list of dicts")
        return cls(**{**found, "logs": tuple(found["logs"])})


class Checkpoint(keras.callbacks.Callback):
    """Saves the exact state of a run, so that a killed run can resume.

    Pass it to `kprune.training.fit(checkpoint=)`, which also restores from it.
    It saves the model with its masks, the optimizer, the metrics, the place in
    the data, the random state and the state of the other callbacks. Files are
    written atomically; if the latest is damaged, the one before it is used.

    On SIGTERM, which schedulers send before they take a machine away, it saves
    after the current step and ends the program with exit code 143; on Ctrl-C
    (SIGINT) likewise, with 130. A signal during validation is handled after
    validation; a second Ctrl-C interrupts at once.

    Under a strategy of several workers the first one writes, and a signal to
    any of them ends all. If the replicas' weights or masks have drifted apart,
    it raises an error and saves nothing.

    Args:
        directory: Path. Every worker must be able to read it.
        every: How often to save: `"500it"` or 500 (steps), `"1ep"` (epochs,
            the default) or `"10%"` (of the whole training). With several
            steps per execution, it saves after the execution in which a save
            falls due. The states at the start and the end of the run are
            saved too.
        keep: Integer > 0, how many of the latest files to keep. Defaults to 2.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile("adam", loss)
    >>> checkpoint = kprune.callbacks.Checkpoint("run/checkpoints", "20it")
    >>> history = kprune.training.fit(
    ...     model, train, epochs=1, checkpoint=checkpoint, verbose=0)
    >>> checkpoint.files.steps()
    [40, 45]
    """

    @checked()
    def __init__(
        self, directory: types.Path, every: str | int = "1ep", keep: int = 2
    ):
        super().__init__()
        self.files = CheckpointFiles(directory, keep)
        self.every = every
        durations.steps(every, 1, 1)  # Raises if it cannot be read.
        self._running = False

    def latest(self) -> tuple[int, dict[str, Any]] | None:
        """Returns `(step, state)` of the last intact checkpoint, or `None`.
        `fit` calls it."""
        return self.files.latest(_check)

    def begin(
        self,
        place: Place,
        saved: dict[str, Any] | None,
        steps_per_epoch: int,
        epochs: int,
        others: Sequence[types.Callback],
    ) -> None:
        """Prepares for a run. `fit` calls it.

        Args:
            place: The `Place` to start at.
            saved: The state restored from a checkpoint, or `None`.
            steps_per_epoch: Integer.
            epochs: Integer, of the whole run.
            others: The other callbacks, whose state is saved and restored.
        """
        total = steps_per_epoch * epochs
        every = durations.steps(self.every, steps_per_epoch, total)
        checks.require(every >= 1, "every", self.every, "one step or more")
        self._running = True
        self._steps_per_epoch = steps_per_epoch
        self._epochs = epochs
        self._steps_between = every
        self._others = others
        self._saved = saved
        self._place = place
        self._last = self._number(place)
        self._termination = Termination()

    def end(self) -> None:
        """Ends the run. `fit` calls it when it returns or raises."""
        self._running = False
        self._termination.ignore()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not self._running:
            raise RuntimeError(
                "kprune.callbacks.Checkpoint belongs to "
                "`kprune.training.fit(model, ..., checkpoint=)`, which goes on "
                "from what it saved. `model.fit(callbacks=)` cannot."
            )
        self._termination.listen()
        if self._saved is None:
            self._save(self._place)
        else:
            state.put_back_callbacks(self._others, self._saved)

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        resumed = epoch == self._place.epoch
        self._before = self._place.step if resumed else 0

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        step = self._before + batch + 1
        ends = self._terminated()
        if step >= self._steps_per_epoch:
            return  # `on_epoch_end` saves at the end of an epoch.
        place = dataclasses.replace(self._place, step=step)
        if ends or self._due(place):
            self._save(place)
        if ends:
            self._leave(place)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        measured = {k: float(v) for k, v in (logs or {}).items()}
        stopped = bool(self.model.stop_training)
        logs = (*self._place.logs, measured)
        self._place = Place(epoch + 1, 0, stopped, logs)
        over = epoch + 1 == self._epochs or stopped
        ends = self._terminated()
        if ends or over or self._due(self._place):
            self._save(self._place)
        if ends and not over:
            self._leave(self._place)

    def _terminated(self):
        """Returns whether this worker or another one received a signal."""
        strategy = self.model.distribute_strategy
        asked = self._termination.asked
        return distribution.any_worker(strategy, asked is not None)

    def _number(self, place):
        return place.epoch * self._steps_per_epoch + place.step

    def _due(self, place):
        every = self._steps_between
        return self._number(place) // every > self._last // every

    def _save(self, place):
        strategy = self.model.distribute_strategy
        distribution.check_in_step(strategy, _mirrored(self.model))
        self._last = self._number(place)
        # Every worker takes part: reading some variables is a collective sum.
        taken = state.take(self.model, self._others)
        taken["place"] = dataclasses.asdict(place)
        taken["steps_per_epoch"] = self._steps_per_epoch
        if distribution.is_chief(strategy):
            self.files.save(self._last, taken)

    def _leave(self, place):
        message = (
            f"Ended by a signal after step {self._number(place)} and saved in "
            f"{self.files.directory}. The same command goes on from there."
        )
        logging.warning(message)
        raise Terminated(message, self._termination.asked)


def _check(saved):
    """Raises `ValueError` unless a checkpoint has everything `fit` needs."""
    own = ("place", "steps_per_epoch")
    for name in own:
        checks.require(name in saved, name, None, "it in a checkpoint")
    state.check({k: v for k, v in saved.items() if k not in own})
    Place.read(saved["place"])
    checks.integer("steps_per_epoch", saved["steps_per_epoch"], 1)


def _mirrored(model):
    """Returns the variables that must be equal on all replicas."""
    masks = [w.mask for w in weights.find(model) if w.mask is not None]
    return [*model.trainable_variables, *masks]
