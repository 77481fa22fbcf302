"""A train function for `fit` that yields between its steps.

Keras' callbacks see neither batches nor the steps within one execution. `fit`
calls the current `model.train_function(iterator)`, which can be replaced.
"""


class TrainFunction:
    """Runs an execution step by step if any of its steps is due.

    Args:
        original: The train function that Keras made.
        steps: Function that returns the range of steps of the next execution,
            or `None` if the caller is not `fit`.
        due: Function of a step that returns whether it is due.
        before: Function of (step, batch), called before a step that is due.
            It returns the logs if it replaces the step, else `None`.
        after: Function of a step, called after a step that was due and was
            not replaced.
        done: Function without arguments, called after each execution.
    """

    def __init__(self, original, steps, due, before, after, done):
        self.original = original
        self._steps = steps
        self._due = due
        self._before = before
        self._after = after
        self._done = done

    @classmethod
    def install(cls, model, **functions):
        """Replaces a model's train function; returns the new one."""
        original = model.train_function
        if isinstance(original, cls):  # Left by an interruption.
            original = original.original
        model.train_function = cls(original, **functions)
        return model.train_function

    def remove(self, model):
        """Restores the model's original train function."""
        if model.train_function is self:
            model.train_function = self.original

    def __call__(self, iterator):
        steps = self._steps()
        if steps is None:
            return self.original(iterator)
        if any(map(self._due, steps)):
            logs = self._step_by_step(iterator, steps)
        else:
            logs = self.original(iterator)
        self._done()
        return logs

    def _step_by_step(self, iterator, steps):
        logs = None
        for step in steps:
            try:
                batch = next(iterator)
            except StopIteration:
                if logs is None:
                    raise
                break  # The data ends within the execution.
            due = self._due(step)
            instead = self._before(step, batch) if due else None
            logs = self.original(iter([batch])) if instead is None else instead
            if due and instead is None:
                self._after(step)
        return logs
