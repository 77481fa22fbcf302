"""Converts durations to steps, and counts steps for callbacks.

Keras' `batch` starts at 0 in each epoch, also when `fit` resumes mid-epoch.
"""

from kprune.training import durations


class StepCounter:
    """Counts optimizer steps and reports which of them are due.

    The steps `begin`, `begin + every`, `begin + 2 every` and so on up to `end`
    are due, and so is `end` itself, whatever `every` is. Steps count as due
    once that many are done: `begin=0` is due before the first.

    A callback calls `start` in `on_train_begin`, `begin_epoch` in
    `on_epoch_begin` and `advance` in `on_train_batch_end`, and saves `state`
    with its own. `start` converts the durations `begin`, `end` and `every` to
    steps; from `begin_epoch` on, `step` is the number of steps done.
    """

    def __init__(self, begin, end, every):
        self._durations = {"begin": begin, "end": end, "every": every}
        for duration in self._durations.values():
            durations.steps(duration, 1, 1)
        self.begin = self.end = self.every = self.step = None
        self._steps_per_epoch = self._epoch_ends = None
        self._before = 0  # Steps done when this epoch or its rest began.

    def start(self, params, cut=False):
        """Converts the durations to steps, by the `params` of a Keras callback.

        If `fit` does not know the number of steps per epoch, only durations in
        steps are valid. With `cut`, `end` is at most the end of training.
        """
        self._steps_per_epoch = per_epoch = params.get("steps")
        total = per_epoch * params["epochs"] if per_epoch else None
        self.begin, self.end, self.every = (
            durations.steps(duration, per_epoch, total)
            for duration in self._durations.values()
        )
        if cut and total is not None:
            self.end = min(self.end, total)
        if self.begin > self.end or self.every < 1:
            raise ValueError(
                "Expected `begin` to be no later than `end` and the end of "
                f"the training, and `every` to be a step at least. Received: "
                f"{self._durations}, which are the steps begin={self.begin}, "
                f"end={self.end}, every={self.every}, in a training of "
                f"{total or 'an unknown number of'} steps."
            )
        self.step = None

    def begin_epoch(self, epoch):
        """Sets the count at the start of an epoch; returns the step that is
        due now, or `None`.

        The count continues from its last value or from a restored `state`. If
        there is neither, all earlier epochs count as done; with an
        `initial_epoch`, the step at which another `fit` ended may be due.
        """
        started = self._steps_before(epoch)
        if self.step is None:
            self.step = started
            due = started if started == self.begin else None
        else:  # Keras does not report an execution that the data cut short.
            due = self._go_to(max(self.step, started))
        self._before = self.step
        return due

    def advance(self, batch):
        """Counts the steps of an execution up to Keras' `batch`; returns the
        last one that fell due in it, or `None`."""
        step = self._before + batch + 1
        if self._epoch_ends is not None:
            # Keras counts a shorter last execution of an epoch as a full one.
            step = min(step, self._epoch_ends)
        return self._go_to(step)

    @property
    def state(self):
        """The count, as a dict to resume from."""
        return {"step": self.step}

    @state.setter
    def state(self, state):
        self.step = state["step"]

    def _steps_before(self, epoch):
        """Returns the least number of steps before an epoch."""
        if self._steps_per_epoch is not None:
            started = epoch * self._steps_per_epoch
            self._epoch_ends = started + self._steps_per_epoch
            return started
        if epoch and self.step is None:
            raise ValueError(
                "The number of steps before the first epoch is not known. "
                "Give `fit` the length of an epoch as `steps_per_epoch`. "
                f"Received: initial_epoch={epoch}"
            )
        return 0

    def _go_to(self, step):
        """Sets the count; returns the last step due since, or `None`."""
        before, self.step = self.step, step
        if step < self.begin:
            return None
        rest = (step - self.begin) % self.every
        due = self.end if step >= self.end else step - rest
        return due if due > before else None
