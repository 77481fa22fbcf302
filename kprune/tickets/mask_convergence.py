"""Detects when the masks of a training stop changing.

Early-bird tickets, You et al., 2020, https://arxiv.org/abs/1909.11957, in the
form of Zhang et al., 2021, https://arxiv.org/abs/2106.03225.
"""

import keras

from kprune.masking.masks import hamming


class Settling(keras.callbacks.Callback):
    """Stops training once the masks that pruning would draw have settled.

    Adds `mask_distance` to Keras' `logs`: the number of mask entries that
    changed since the previous epoch, divided by `remaining`.

    Args:
        draw: Function from the model to the masks that pruning would draw.
        remaining: Integer, the number of weights that remain.
        tolerance, window: As for `mask_convergence`.
        least: Integer, the least number of epochs to train.
    """

    def __init__(self, draw, remaining, tolerance, window, least=0):
        super().__init__()
        self._draw = draw
        self._remaining = remaining
        self._tolerance = tolerance
        self._window = window
        self._least = least
        self._distances = []
        self._before = None

    def get_state(self):
        return {"distances": self._distances, "before": self._before}

    def set_state(self, state):
        self._distances = state["distances"]
        self._before = state["before"]

    def on_epoch_end(self, epoch, logs=None):
        drawn, before = self._draw(self.model), self._before
        self._before = drawn
        if before is None:
            return
        distance = hamming(drawn, before) / self._remaining
        self._distances = [*self._distances, distance]
        if logs is not None:
            logs["mask_distance"] = distance
        still = mask_convergence(self._distances, self._tolerance, self._window)
        if still and epoch + 1 >= self._least:
            self.model.stop_training = True


def mask_convergence(distances, tolerance, window):
    """Returns whether masks that changed before have stopped changing.

    The last `window` distances must be below the tolerance, and an earlier one
    above it: masks do not change at first either, while the learning rate
    warms up.
    """
    last, earlier = distances[-window:], distances[:-window]
    return (
        len(last) == window
        and max(last) < tolerance
        and max(earlier, default=0) > tolerance
    )
