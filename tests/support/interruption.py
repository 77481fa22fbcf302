"""A training that is killed, and what it must come to when resumed."""

import shutil

import keras
import numpy as np
import pytest

from kprune.training import CheckpointFiles

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

    One training goes through, and what it has saved before each of the
    batches is what a killed one would have left. (That a real kill leaves just
    that, tests/training/test_fitting.py checks.)

    Args:
        train: Function of (directory for checkpoints, batches to be killed
            after) that returns the model and Keras' `History`.
        batches: After how many to kill it, one resumed training for each.
        directory: Path for the checkpoints.
        **options: Further arguments of `train`.

    Returns:
        The history of the training that was not killed, a dict.
    """
    with pytest.MonkeyPatch.context() as patch:
        _keep_what_is_saved_before(batches, directory, patch)
        whole, expected = train(directory / "whole", NEVER, **options)
    for count in batches:
        resumed, history = train(directory / str(count), NEVER, **options)
        assert history.history == expected.history
        pairs = zip(everything(resumed), everything(whole), strict=True)
        for one, other in pairs:
            np.testing.assert_array_equal(one.numpy(), other.numpy(), one.path)
    return expected.history


def _keep_what_is_saved_before(batches, directory, patch):
    """Copies each checkpoint to where those killed at a later batch look."""
    save = CheckpointFiles.save

    def save_and_copy(files, step, state):
        save(files, step, state)
        for count in batches:
            if step < count:
                there = directory / str(count)
                there.mkdir(parents=True, exist_ok=True)
                shutil.copy(files.path(step), there)

    patch.setattr(CheckpointFiles, "save", save_and_copy)
