"""A training that is killed, and what it must come to when resumed."""

import keras
import numpy as np
import pytest

NEVER = 10**9


class Killed(Exception):
    """Stands for a SIGKILL."""


class Kill(keras.callbacks.Callback):
    """Ends a training after a number of batches, by `Killed` or by a call."""

    def __init__(self, batches, how=None):
        super().__init__()
        self.left = batches
        self.how = how

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            if self.how is None:
                raise Killed
            self.how()


def everything(model):
    """Returns the variables of a model and of its optimizer."""
    return [*model.variables, *model.optimizer.variables]


def assert_resumes(train, batches, directory, **options):
    """Checks that a killed training comes to what one that was not does.

    Args:
        train: Function of (directory or `None`, batches to be killed after)
            that returns the model and Keras' `History`.
        batches: After how many to kill it, one training for each.
        directory: Path for the checkpoints.
        **options: Further arguments of `train`.

    Returns:
        The history of the training that was not killed, a dict.
    """
    whole, expected = train(None, NEVER, **options)
    for count in batches:
        checkpoints = directory / str(count)
        with pytest.raises(Killed):
            train(checkpoints, count, **options)
        resumed, history = train(checkpoints, NEVER, **options)
        assert history.history == expected.history
        pairs = zip(everything(resumed), everything(whole), strict=True)
        for one, other in pairs:
            np.testing.assert_array_equal(one.numpy(), other.numpy(), one.path)
    return expected.history
