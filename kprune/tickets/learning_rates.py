"""Learning-rate schedules that start late or run faster."""

import keras
from keras import ops
from keras.optimizers import schedules


class _Changed(schedules.LearningRateSchedule):
    """A schedule that wraps another one; its config holds that schedule and
    the subclass' own arguments."""

    def __init__(self, schedule, **own):
        super().__init__()
        self.schedule = schedule
        self._own = own

    def get_config(self):
        return {"schedule": schedules.serialize(self.schedule), **self._own}

    @classmethod
    def from_config(cls, config):
        schedule = schedules.deserialize(config["schedule"])
        return cls(**{**config, "schedule": schedule})


@keras.saving.register_keras_serializable("kprune")
class FromStep(_Changed):
    """A schedule from one of its steps on, or (`held`) constant at that step.

    A fresh optimizer counts its updates from 0.
    """

    def __init__(self, schedule, step, held=False):
        super().__init__(schedule, step=step, held=held)
        self.step = step
        self.held = held

    def __call__(self, step):
        done = step * 0 if self.held else step
        return self.schedule(done + self.step)


@keras.saving.register_keras_serializable("kprune")
class Stretched(_Changed):
    """A schedule for `whole` steps, compressed or stretched to `steps`.

    rate = schedule(floor(step * whole / steps))
    """

    def __init__(self, schedule, whole, steps):
        super().__init__(schedule, whole=whole, steps=steps)
        self.whole = whole
        self.steps = steps

    def __call__(self, step):
        # The product may overflow 32 bits.
        done = ops.cast(step, "int64") * self.whole
        return self.schedule(ops.floor_divide(done, self.steps))


def schedule_of(optimizer):
    """Returns an optimizer's schedule, `None` if its rate is constant."""
    inner = getattr(optimizer, "inner_optimizer", None) or optimizer
    rate = inner.get_config()["learning_rate"]
    return schedules.deserialize(rate) if isinstance(rate, dict) else None


def take_up(optimizer, step, held=False):
    """Makes a fresh optimizer start its schedule, if any, at a step."""
    schedule = schedule_of(optimizer)
    if schedule is not None and (step > 0 or held):
        optimizer.learning_rate = FromStep(schedule, step, held)


def stretch(optimizer, schedule, whole, steps):
    """Makes a fresh optimizer run a schedule, if any, in `steps` steps."""
    if schedule is not None:
        optimizer.learning_rate = Stretched(schedule, whole, steps)
