"""A train function for `fit` that yields between its steps.

Callbacks never see a batch, nor anything between the steps of one execution.
`fit` calls `model.train_function(iterator)`, whatever that is at the time.
"""


class TrainFunction:
    """Takes an execution apart into steps where something falls due in it.

    Args:
        original: The train function that Keras made.
        steps: Function to the range of the steps of the coming execution, or
            `None` if it is none of `fit`'s own.
        due: Function of a step to whether something is to be done at it.
        before: Function of (step, batch), called before a step that is due.
            It returns the logs if it took the place of the step, else `None`.
        after, done: Functions, called with a step that was due, and after an
            execution.
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
        """Puts one in the place of a model's train function, and returns it."""
        original = model.train_function
        if isinstance(original, cls):  # Left by an interruption.
            original = original.original
        model.train_function = cls(original, **functions)
        return model.train_function

    def remove(self, model):
        """Gives a model its own train function back."""
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
