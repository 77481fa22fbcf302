"""The record of a training run: one line of JSON per epoch."""

import json
import time

import keras

from kprune.experiment import directory
from kprune.report import report


class MetricsLog(keras.callbacks.Callback):
    """Writes what `fit` measures to a file, one line of JSON per epoch.

    To Keras' `logs` it adds `epoch` (how many are done), `seconds` (of this
    epoch) and `sparsity`.

    Args:
        path: Path of the file. It is replaced whole after each epoch.
    """

    def __init__(self, path):
        super().__init__()
        self.path = path
        self._lines = []
        self._started = self._epoch_started = time.perf_counter()

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch_started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self._write({"epoch": epoch + 1}, logs, self._epoch_started)

    def finish(self, result):
        """Writes the last line, and returns it: `result`, with the sparsity
        and the seconds of the whole run."""
        return self._write({}, result, self._started)

    def _write(self, line, values, since):
        # Seven digits are what a float32 holds.
        line.update((k, float(f"{v:.7g}")) for k, v in values.items())
        line["sparsity"] = _sparsity(self.model)
        line["seconds"] = round(time.perf_counter() - since, 3)
        self._lines.append(json.dumps(line) + "\n")
        directory.write_text(self.path, "".join(self._lines))
        return line


def _sparsity(model):
    return float(report(model, multiply_adds=False, paths=False).sparsity)
