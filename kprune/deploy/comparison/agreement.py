"""Measures how often two models are right, and how often they agree."""

import dataclasses
import itertools

import keras
import numpy as np

from kprune.deploy.comparison import inputs


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Shares of some examples, each in [0, 1].

    Attributes:
        examples: How many examples there were.
        before, after: Share that is classified as its label says.
        same: Share that both put into the same class.
    """

    examples: int
    before: float
    after: float
    same: float


def measure(before, after, batches, most, size=None):
    """Returns the `Agreement` of two sides, or `None` if they do not classify:
    their one output is no row of scores, or labels are no classes.

    Args:
        before, after: The sides.
        batches: The data, `Batches`.
        most: Integer, examples to read at most. Data may have no end.
        size: Batch size that a side is built for; what is less is left out.
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
    """Returns labels as class numbers, or `None` if they are none."""
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
    """Returns the class of the largest score of each example, -1 where a score
    is not a number; or `None` if these are no scores."""
    if len(outputs) != 1 or outputs[0].ndim != 2 or outputs[0].shape[1] < 2:
        return None
    scores = np.asarray(outputs[0], "float64")
    valid = ~np.isnan(scores).any(axis=1)
    return np.where(valid, np.nan_to_num(scores).argmax(axis=1), -1)
