"""`fit`: resumes a killed run exactly."""

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from kprune.runtime import (
    checks,
    distribution,
    fit_arguments,
    keras_internals,
    types,
)
from kprune.runtime.doors import checked
from kprune.training import fitting_data, state
from kprune.training.checkpoint import Checkpoint, Place
from kprune.training.distiller import Distiller


def _frequency(name, value):
    """Returns how many epochs lie between validations, or their epochs."""
    whole = checks.at_least(1)
    if isinstance(value, list | tuple):
        return checks.sequence_of(whole, "epochs")(name, value)
    return whole(name, value)


def _as_keras_takes_it(frequency):
    """Returns a validation frequency without tuples and NumPy integers."""
    if isinstance(frequency, list | tuple):
        return [int(epoch) for epoch in frequency]
    return int(frequency)


@checked(
    train=fit_arguments.training_data,
    steps_per_epoch=checks.optional(checks.at_least(1)),
    validation_data=checks.optional(fit_arguments.validation_data),
    validation_freq=_frequency,
    checkpoint=checks.optional(
        checks.of_class(Checkpoint, "a kprune.callbacks.Checkpoint")
    ),
)
def fit(
    model: types.Model,
    train: tf.data.Dataset | Callable[[int], tf.data.Dataset],
    epochs: int = 1,
    *,
    steps_per_epoch: int | None = None,
    checkpoint: Checkpoint | None = None,
    callbacks: Sequence[types.Callback] | None = (),
    validation_data: types.Data | None = None,
    validation_freq: int | Sequence[int] = 1,
    verbose: str | int = "auto",
) -> keras.callbacks.History:
    """Trains as `model.fit` does, and resumes from a checkpoint.

    A run that was killed and restarted ends with exactly the weights, masks
    and metrics of an uninterrupted one, on the same kind of CPU. Other devices
    also need `tf.config.experimental.enable_op_determinism`.

    Args:
        model: A compiled Keras model, pruned, wrapped or plain, built and
            compiled as it was when the run began, or a `Distiller` of one. A
            checkpoint replaces its weights and masks.
        train: The training batches. Either a finite `tf.data.Dataset` that
            yields the same passes in each process, such as one that shuffles
            with a seed; a resumed run reads past the batches already used. Or
            a function from a step, counted over all epochs, to an endless
            data set that begins there, such as
            `lambda step: kprune.datasets.load("mnist", start=step)[0]`.
        epochs: Integer >= 1, of the whole run. Defaults to 1.
        steps_per_epoch: Integer, a multiple of `steps_per_execution`. Defaults
            to the length of the data set; required if `train` is a function.
        checkpoint: A `kprune.callbacks.Checkpoint`. Without one nothing is
            saved or resumed.
        callbacks, validation_data, validation_freq, verbose: As for
            `model.fit`. Callbacks with `get_state()` and `set_state(state)`
            are resumed too, as are Keras' `EarlyStopping`,
            `ReduceLROnPlateau` and `ModelCheckpoint`. In a resumed epoch they
            count batches from where the run resumed.

    Returns:
        Keras' `History`, of the whole run.

    Raises:
        ValueError: If an argument is invalid, or the checkpoint is of another
            model or of epochs of another length.
        OSError: If a checkpoint cannot be written.
        Terminated: (a `SystemExit`) after a SIGTERM or Ctrl-C, if there is a
            checkpoint.

    Example:

    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile("adam", loss)
    >>> history = kprune.training.fit(
    ...     model,
    ...     lambda step: kprune.datasets.load("digits", 32, start=step)[0],
    ...     epochs=2,
    ...     steps_per_epoch=20,
    ...     checkpoint=kprune.callbacks.Checkpoint("run/checkpoints", "10it"),
    ...     verbose=0,
    ... )
    >>> history.epoch
    [0, 1]
    """
    if isinstance(model, Distiller):
        with model.distilling() as student:
            return fit(
                student,
                train,
                epochs,
                steps_per_epoch=steps_per_epoch,
                checkpoint=checkpoint,
                callbacks=callbacks,
                validation_data=validation_data,
                validation_freq=validation_freq,
                verbose=verbose,
            )
    _check_trainable(model)
    steps_per_epoch = _steps_per_epoch(model, train, steps_per_epoch)
    if validation_data is not None:
        fitting_data.check(model, validation_data, "validation_data")
    place, saved = Place(), None
    callbacks = list(callbacks or ())
    if checkpoint is not None:
        place, saved = _found(model, checkpoint, steps_per_epoch)
        checkpoint.begin(place, saved, steps_per_epoch, epochs, callbacks)
    start = place.epoch * steps_per_epoch + place.step
    data = train(start) if callable(train) else train.repeat().skip(start)
    if isinstance(data, tf.data.Dataset):
        fitting_data.check(model, data, "train")
        _build(model, data.element_spec, saved is not None)
    history = keras.callbacks.History()
    # Keras sets it at the first epoch; a finished run has none left.
    model.history = history
    try:
        model.fit(
            data,
            epochs=epochs,
            initial_epoch=epochs if place.stopped else place.epoch,
            steps_per_epoch=steps_per_epoch,
            validation_data=validation_data,
            validation_freq=_as_keras_takes_it(validation_freq),
            # `_Resumption` must run first; the checkpoint saves the state that
            # the other callbacks leave.
            callbacks=[
                _Resumption(place, saved, steps_per_epoch),
                *callbacks,
                *([checkpoint] if checkpoint is not None else []),
                history,
            ],
            shuffle=False,
            verbose=verbose,
        )
    finally:
        if checkpoint is not None:
            checkpoint.end()
    return _whole(history, place)


class _Resumption(keras.callbacks.Callback):
    """Ends a resumed epoch after its remaining steps.

    It runs before the other callbacks, so that one of them can still end the
    training at that epoch: it resets `stop_training` first.
    """

    def __init__(self, place, saved, steps_per_epoch):
        super().__init__()
        self._place = place
        self._saved = saved
        self._left = steps_per_epoch - place.step
        self._resumed = False

    def on_epoch_begin(self, epoch, logs=None):
        self._resumed = epoch == self._place.epoch and self._place.step > 0
        if self._resumed:
            state.put_back_metrics(self.model, self._saved)

    def on_train_batch_end(self, batch, logs=None):
        if self._resumed and batch + 1 >= self._left:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        if self._resumed:
            self.model.stop_training = False
            self._resumed = False


def _build(model, batch, needed):
    """Builds the variables of training, so that Keras traces the step once
    instead of twice.

    A model that cannot be called symbolically is left to the first step,
    unless a saved state `needed` its variables: then this raises.
    """
    try:
        keras_internals.build_training(model, batch)
    except Exception:
        if needed:
            raise


def _steps_per_epoch(model, train, steps_per_epoch):
    if steps_per_epoch is None and not callable(train):
        steps_per_epoch = int(train.cardinality())
    why = ", which a function or an endless data set as `train` does not tell"
    checks.integer("steps_per_epoch", steps_per_epoch, 1, why)
    at_once = model.steps_per_execution
    if steps_per_epoch % at_once:
        raise ValueError(
            f"An epoch of {steps_per_epoch} steps cannot be cut into "
            f"executions of {at_once}. Compile with `steps_per_execution` of "
            f"{divisor(steps_per_epoch, at_once)}."
        )
    if at_once > 1 and keras_internals.spans_workers(model.distribute_strategy):
        raise ValueError(
            "Keras cannot run several steps per execution on several workers. "
            f"Compile with `steps_per_execution=1`. Received: {at_once}"
        )
    return steps_per_epoch


def _check_trainable(model):
    """Raises `ValueError` unless a model is compiled."""
    if not model.compiled:
        raise ValueError(
            f"Model {model.name!r} is not compiled. Expected a model that "
            "`fit` can train."
        )


@checked(number=checks.at_least(1), largest=checks.at_least(1))
def divisor(number: int, largest: int) -> int:
    """Returns the largest divisor of `number` that is at most `largest`."""
    return max(i for i in range(1, largest + 1) if number % i == 0)


def _found(model, checkpoint, steps_per_epoch):
    """Restores the last checkpoint; returns its place and its state."""
    latest = checkpoint.latest()
    found = -1 if latest is None else latest[0]
    distribution.check_agreement(
        model.distribute_strategy,
        [found],
        f"The workers see different checkpoints in "
        f"{checkpoint.files.directory}. Expected one directory that all share.",
    )
    if latest is None:
        return Place(), None
    _, saved = latest
    if saved["steps_per_epoch"] != steps_per_epoch:
        raise ValueError(
            f"{checkpoint.files.directory} holds a run with epochs of "
            f"{saved['steps_per_epoch']} steps. Received: {steps_per_epoch}"
        )
    state.put_back(model, saved)
    return Place.read(saved["place"]), saved


def _whole(history, place):
    """Returns the history with the logs from before the run was resumed."""
    earlier = {}
    for logs in place.logs:
        for name, value in logs.items():
            earlier.setdefault(name, []).append(value)
    for name in {**earlier, **history.history}:
        later = history.history.get(name, [])
        history.history[name] = earlier.get(name, []) + later
    history.epoch = list(range(len(place.logs))) + history.epoch
    return history
