"""What a study of one-shot pruning asks of a network and its data."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np


@dataclasses.dataclass(frozen=True)
class Training:
    """How long a network trains, by Adam.

    Args:
        steps, batch_size: Integers.
        tuned: Share of the steps to train for once it is pruned.
        rate: The highest learning rate.
    """

    steps: int
    batch_size: int
    tuned: float
    rate: float

    @property
    def tuned_steps(self):
        return max(1, round(self.tuned * self.steps))


@dataclasses.dataclass(frozen=True)
class Measure:
    """What a network is measured by.

    Args:
        name: String, the entry of a cell.
        of: Function from a compiled model, x, y and a batch size to a number.
        gain: Function from two arrays over seeds, of what is said to be better
            and of the other, to differences: positive where it is.
        told: Function from the mean of these to a text, of the better one.
    """

    name: str
    of: Callable
    gain: Callable
    told: Callable


def _perplexity(model, x, y, batch_size):
    return float(np.exp(model.evaluate(x, y, batch_size, verbose=0)))


def _accuracy(model, x, y, batch_size):
    logits = model.predict(x, batch_size, verbose=0)
    return 100 * float(np.mean(logits.argmax(-1) == np.ravel(y)))


PERPLEXITY = Measure(
    "perplexity",
    _perplexity,
    lambda a, b: np.log(b) - np.log(a),
    lambda mean: f"{100 * np.expm1(-mean):+.1f} %",
)
ACCURACY = Measure(
    "accuracy",
    _accuracy,
    lambda a, b: a - b,
    lambda mean: f"{mean:+.1f} points",
)


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """A network, its data, and what it is measured by.

    Args:
        draw: Function from a seed to a new model that gives logits.
        batches: Function from a number of examples and a NumPy generator to
            (x, y) to train on.
        data, test: (x, y), which pruning looks at, and which are held out.
        training: A `Training`.
        measure: A `Measure`.
        blocks: List of patterns of names, one for each block: OWL takes a
            block for a layer.
        dense: Names of layers that are not pruned.
    """

    draw: Callable
    batches: Callable
    data: tuple
    test: tuple
    training: Training
    measure: Measure
    blocks: list
    dense: tuple

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
