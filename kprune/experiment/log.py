"""Logs a training run: one line of JSON per epoch."""

import json
import time

import keras

from kprune.analysis.report import report
from kprune.runtime import files


class MetricsLog(keras.callbacks.Callback):
    """A log of what `fit` measures, one line of JSON per epoch.

    It adds `epoch` (how many are done), `seconds` (of this epoch) and
    `sparsity` to Keras' `logs`. A resumed run restores the earlier lines from
    its checkpoint. The file is replaced atomically after each epoch; its path
    is `None` on workers that write nothing.
    """

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.lines = []  # Dicts.
        self._earlier = 0.0  # Seconds before the run was resumed.
        self._started = self._epoch_started = time.perf_counter()

    def get_state(self):
        lines = [json.dumps(line) + "\n" for line in self.lines]
        return {"lines": lines, "seconds": self._seconds()}

    def set_state(self, state):
        self.lines = list(map(json.loads, state["lines"]))
        self._earlier = state["seconds"]
        self._started = time.perf_counter()

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch_started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self._epoch_started
        self._write({"epoch": epoch + 1}, logs, seconds)

    def finish(self, result):
        """Writes the last line, and returns it.

        It holds `result`, the sparsity and the seconds of the whole run.
        """
        return self._write({}, result, self._seconds())

    def _seconds(self):
        return self._earlier + time.perf_counter() - self._started

    def _write(self, line, values, seconds):
        # A float32 holds about seven digits.
        line.update((k, float(f"{v:.7g}")) for k, v in values.items())
        found = report(self.model, multiply_adds=False, paths=False)
        line["sparsity"] = float(found.sparsity)
        line["seconds"] = round(seconds, 3)
        self.lines.append(line)
        if self.path is not None:
            text = (json.dumps(one) + "\n" for one in self.lines)
            files.write_text(self.path, "".join(text))
        return line
