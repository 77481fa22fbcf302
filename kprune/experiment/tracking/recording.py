"""The callback that sends a run's metrics to destinations."""

import contextlib
import pathlib

import keras

from kprune.analysis.report import report
from kprune.experiment import directory, identity
from kprune.experiment.config import DENSE
from kprune.experiment.tracking import destinations
from kprune.masking.sparsity_logger import SparsityLogger
from kprune.runtime import files, user_warnings

_FILES = (
    directory.CONFIG,
    directory.METRICS,
    directory.REPORT,
    directory.MASKS,
    directory.MODEL,
)


class Recording(keras.callbacks.Callback):
    """A callback that sends each epoch's metrics to destinations.

    These are the values of `metrics.jsonl` and the sparsity of each weight. A
    destination that fails is dropped with a warning, and the run continues:
    its own files have all values.

    Args:
        log: The run's `MetricsLog`, which must come before it in `callbacks`.
        told: Dict from names to destinations.
        masked: Whether the model has masks.
    """

    def __init__(self, log, told, masked):
        super().__init__()
        self._log, self._told = log, dict(told)
        self._sparsity = SparsityLogger() if masked else None
        self._epochs, self._sent = [], 0

    def get_state(self):
        own = None if self._sparsity is None else self._sparsity.get_state()
        return {"epochs": self._epochs, "sparsity": own}

    def set_state(self, state):
        self._epochs, self._sent = list(state["epochs"]), 0
        if state["sparsity"] is not None:
            self._sparsity.set_state(state["sparsity"])

    def on_train_begin(self, logs=None):
        if self._sparsity is not None:
            self._sparsity.set_model(self.model)
            self._sparsity.on_train_begin()

    def on_epoch_end(self, epoch, logs=None):
        values = {}
        if self._sparsity is not None:
            values.update(logs or {})
            self._sparsity.on_epoch_end(epoch, values)
        values = {name: _rounded(value) for name, value in values.items()}
        self._epochs.append({**values, **self._log.lines[-1]})
        self._send()

    def finish(self, result, workdir):
        """Sends the result and the files of a finished run."""
        self._send()
        with files.scratch_directory() as folder:
            page = pathlib.Path(folder, "report.html")
            curves = self._epochs or None
            report(self.model).to_html(page, history=curves)
            paths = [workdir / name for name in _FILES]
            paths = [page, *(path for path in paths if path.exists())]
            values = {f"result/{key}": v for key, v in result.items()}
            self._each(lambda one: one.finish(values, paths))
        self._told = {}

    def stop(self):
        """Leaves the run open to be resumed, unless it is finished."""
        self._each(lambda one: one.stop())

    def _send(self):
        """Sends the epochs not sent yet; those of a resumed run all again."""
        for values in self._epochs[self._sent :]:
            self._each(lambda one, v=values: one.log(v, step=v["epoch"]))
        self._sent = len(self._epochs)

    def _each(self, do):
        for name, one in list(self._told.items()):
            try:
                do(one)
            except Exception as error:  # They raise many kinds.
                del self._told[name]
                user_warnings.warn(
                    f"The run goes on, but no longer to {name}: {error}"
                )


@contextlib.contextmanager
def recording(run, workdir, log):
    """Yields a list with the callback of a run, empty if it is not tracked.

    Args:
        run: A `Run`, whose `config.track` has been checked.
        workdir: Path of its directory, or `None` on the workers that write
            nothing.
        log: The run's `MetricsLog`.
    """
    names = run.config.track
    if not names or workdir is None:
        yield []
        return
    path = workdir / directory.TRACKING
    held = destinations.held_in(path)
    settings = identity.every_leaf(run.config)
    told = {}
    for name in dict.fromkeys(names):
        kind = destinations.DESTINATIONS[name]
        known = identity.name(run.config)
        told[name] = kind(workdir, known, settings, held.get(name))
    ids = {name: one.held for name, one in told.items() if one.held}
    files.write_record(path, {**held, **ids})
    callback = Recording(log, told, run.config.pruner.method != DENSE)
    try:
        yield [callback]
    finally:
        callback.stop()


def _rounded(value):
    return float(f"{value:.7g}")  # The precision of `metrics.jsonl`.
