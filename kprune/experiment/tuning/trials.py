"""One trial of a search: a run that reports its metrics after each epoch."""

import dataclasses
import json
import pathlib
import time

import keras

from kprune import experiment
from kprune.experiment import directory
from kprune.experiment.sweep import worker
from kprune.experiment.tuning import space
from kprune.experiment.tuning.space import rounded

_PAUSE = 5.0  # Seconds between two looks at a run that another trial holds.


class Failed(RuntimeError):
    """The run of a trial failed."""


@dataclasses.dataclass(frozen=True)
class Trial:
    """The outcome of a trial.

    Args:
        point: Dict of the values drawn, by dotted key of the config.
        name: String, the name of its run's directory.
        state: `"finished"`, `"stopped"` before its last epoch, or `"failed"`.
        epochs: Integer, how many epochs it trained.
        value: Number, the metric after the last of them, or `None`.
        error: String, or `None`.
    """

    point: dict
    name: str
    state: str
    epochs: int
    value: float | None
    error: str | None = None


class Reporter(keras.callbacks.Callback):
    """A callback that reports each epoch, also those before a run resumed.

    The last epoch is left to `catch_up`, once the run is finished: a search
    ends a trial as soon as that is reported.

    Args:
        report: Function of a dict of the metrics and of `epoch`, how many are
            done.
        workdir: Path of the run's directory.
        epochs: Integer, how many the run has.
    """

    def __init__(self, report, workdir, epochs):
        super().__init__()
        self._epochs = epochs
        self._report = report
        self._workdir = workdir
        self._told = 0

    def on_epoch_end(self, epoch, logs=None):
        self.catch_up(epoch)
        if epoch + 1 < self._epochs:
            self._tell({"epoch": epoch + 1, **(logs or {})})

    def catch_up(self, epochs):
        """Reports those of the first `epochs` that it has not reported."""
        for line in lines(self._workdir):
            if self._told < line["epoch"] <= epochs:
                self._tell(line)

    def _tell(self, line):
        self._told = line["epoch"]
        self._report({k: float(v) for k, v in line.items()})


def lines(workdir):
    """Returns the epochs logged in a run's directory, a list of dicts."""
    path = pathlib.Path(workdir) / directory.METRICS
    if not path.exists():
        return []
    found = map(json.loads, path.read_text().splitlines())
    return [line for line in found if "epoch" in line]


def perform(base, point, runs, data_dir, report):
    """Runs a trial in this process, unless its run is finished, and reports
    each epoch.

    Args:
        base: Dict, a complete config.
        point: Dict by dotted key, as `space.rounded` returns it.
        runs, data_dir: Paths, absolute; the run's directory is made in `runs`.
        report: As for `Reporter`.

    Returns:
        The run's result.

    Raises:
        Failed: If the run fails.
    """
    config = space.at(experiment.complete(base), point)
    workdir = pathlib.Path(runs) / experiment.name(config)
    reporter = Reporter(report, workdir, config.training.epochs)
    task = {
        "config": config.to_dict(),
        "workdir": str(workdir),
        "data_dir": data_dir,
    }
    while "held" in (outcome := worker.perform(task, [reporter])):
        time.sleep(_PAUSE)  # Two trials may draw the same point.
    if "error" in outcome:
        raise Failed(outcome["error"])
    reporter.catch_up(config.training.epochs)
    return outcome["result"]


def outcome_of(base, point, runs, metric, error=None):
    """Returns the `Trial` of a point, read from its run's directory."""
    config = space.at(base, rounded(point))
    name = experiment.name(config)
    workdir = pathlib.Path(runs) / name
    found = lines(workdir)
    done = directory.is_done(workdir)
    state = "failed" if error else "finished" if done else "stopped"
    value = found[-1].get(metric) if found else None
    epochs = found[-1]["epoch"] if found else 0
    return Trial(rounded(point), name, state, epochs, value, error)
