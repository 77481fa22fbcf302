"""A linear regression that trains in Keras, and the same by hand."""

import keras
import numpy as np
import tensorflow as tf
from networks import sequential
from searched import split

import kprune

STEPS_PER_EPOCH, EPOCHS, STEPS = 5, 2, 10
RATES = keras.optimizers.schedules.PiecewiseConstantDecay(
    [3, 6], [0.1, 0.05, 0.02]
)
_draws = np.random.default_rng(0)
X = _draws.normal(size=(STEPS, 4, 5)).astype("float32")  # A batch a step.
Y = _draws.normal(size=(STEPS, 4, 1)).astype("float32")
INITIAL = np.array([[0.5], [-0.4], [0.3], [-0.2], [0.1]], "float32")


def rate(step):
    """The rate of an update, by how many were made before it."""
    return 0.1 if step <= 3 else 0.05 if step <= 6 else 0.02


def compiled_model(learning_rate=RATES):
    return sequential(
        (5,),
        keras.layers.Dense(1, use_bias=False, name="linear"),
        values=[INITIAL],
        name="regression",
        optimizer=keras.optimizers.SGD(learning_rate),
        loss="mse",
    )


def train(step):
    return tf.data.Dataset.from_tensor_slices((X, Y)).repeat().skip(step)


def search(model=None, **options):
    given = {"steps_per_epoch": STEPS_PER_EPOCH, "epochs": EPOCHS}
    training, given = split(train, {**given, "verbose": 0, **options})
    return kprune.tickets.imp(model or compiled_model(), training, **given)


def descend(w, mask, steps, rate):
    """Trains by hand: L = mean (x w - y)^2, dL/dw = 2 x' (x w - y) / n."""
    for step in steps:
        w = w * mask
        error = X[step] @ w - Y[step]
        w = w - rate(step) * 2 * X[step].T @ error / len(error)
    return w * mask


def pruned(w, mask, kept):
    """Keeps the largest of what is left, by hand."""
    size = np.where(mask, np.abs(w), -1.0).ravel()
    found = np.zeros(size.size, bool)
    found[np.argsort(size)[size.size - kept :]] = True
    return found.reshape(mask.shape)
