"""Measures how often two models are right, and how often they agree."""

import dataclasses
import itertools

import keras
import numpy as np

from kprune.deploy.comparison import inputs


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Accuracies of two classifiers and their agreement, each in [0, 1].

    Attributes:
        examples: Number of examples.
        before, after: Share of the examples that each classifies correctly.
        same: Share of the examples that both assign to the same class.
    """

    examples: int
    before: float
    after: float
    same: float


def measure(before, after, batches, most, size=None):
    """Returns the `Agreement` of two sides, or `None` if they do not classify:
    they do not have one output of class scores, or labels are not classes.

    Args:
        before, after: The sides.
        batches: The data, `Batches`.
        most: Integer, maximum number of examples. Data may be infinite.
        size: Fixed batch size of a side, or `None`; batches of other sizes
            are skipped.
    """
    counts = np.zeros(4, int)
    for place in itertools.count():
        if counts[0] >= most or place >= batches.count(place + 1):
            break
        batch = batches.at(place)
        x, labels = inputs.tensors(batch), _classes(batch[1])
        if labels is None:
            return None
        if size not in (None, len(labels)):
            continue
        one, other = (_chosen(side.predict(x)) for side in (before, after))
        if one is None or other is None:
            return None
        count = min(len(one), len(other))
        one, other, labels = one[:count], other[:count], labels[:count]
        found = (
            np.ones(count),
            one == labels,
            other == labels,
            (one == other) & (one >= 0),
        )
        counts += [int(np.sum(part[: most - counts[0]])) for part in found]
    if not counts[0]:
        return None
    return Agreement(int(counts[0]), *map(float, counts[1:] / counts[0]))


def _classes(y):
    """Returns labels as class indices, or `None` if they are not classes."""
    if keras.tree.is_nested(y):
        return None
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] > 1:  # One-hot.
        hot = (np.sort(y, axis=1)[:, -2:] == [0, 1]).all()
        return y.argmax(axis=1) if hot else None
    whole = y.dtype.kind in "iufb" and y.size == len(y)
    if not whole or not np.equal(np.mod(y, 1), 0).all():
        return None
    return y.reshape(len(y)).astype(int)


def _chosen(outputs):
    """Returns each example's class with the largest score, -1 if any score is
    NaN; or `None` if the outputs are not class scores."""
    if len(outputs) != 1 or outputs[0].ndim != 2 or outputs[0].shape[1] < 2:
        return None
    scores = np.asarray(outputs[0], "float64")
    valid = ~np.isnan(scores).any(axis=1)
    return np.where(valid, np.nan_to_num(scores).argmax(axis=1), -1)
