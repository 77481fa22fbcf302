"""Counts how often a network forgets each example.

Toneva et al., 2019, https://arxiv.org/abs/1812.05159, count the events; Zhang
et al., 2021, https://arxiv.org/abs/2106.03225, train tickets without the
examples that are never forgotten.
"""

import keras
import numpy as np


class Forgetting(keras.callbacks.Callback):
    """Counts how often each of some examples is forgotten during training.

    A `Classifier` judges them after each epoch. An example is forgotten when
    it was right after the previous epoch and no longer is.
    """

    def __init__(self, judge, places):
        super().__init__()
        self._judge = judge
        self._places = places
        self._counts = np.zeros(len(places), np.int64)
        self._right = np.zeros(len(places), bool)
        self._learned = np.zeros(len(places), bool)

    @property
    def events(self):
        """Array of how often each was forgotten, infinite if never right."""
        return np.where(self._learned, self._counts, np.inf)

    def get_state(self):
        return {
            "counts": self._counts,
            "right": self._right,
            "learned": self._learned,
        }

    def set_state(self, state):
        self._counts = state["counts"]
        self._right = state["right"]
        self._learned = state["learned"]

    def on_epoch_end(self, epoch, logs=None):
        self.note(self._judge.right(self.model, self._places))

    def note(self, right):
        """Records which examples are right after an epoch."""
        self._counts = self._counts + (self._right & ~right)
        self._learned = self._learned | right
        self._right = right


def critical(places, events, dense, pruned):
    """Returns the examples that the next level trains on, in ascending order.

    They are the trained examples (`places`) with forgetting `events`, and all
    examples on which the pruned network disagrees with the dense one (Hooker
    et al., 2019, https://arxiv.org/abs/1911.05248).
    """
    return np.union1d(places[events > 0], np.flatnonzero(dense != pruned))
