"""Measures a candidate: parameters, multiply-adds, time, bytes."""

import dataclasses
import pathlib

from kprune.analysis.report import report
from kprune.deploy.comparison import processes, sides, timing
from kprune.deploy.exporting import export, formats

# Rounds, each with both files opened anew, as memory's layout changes times;
# and the alternations of a round.
_ROUNDS = 5
_REPEATS = 7
_PROCESSES = 7


@dataclasses.dataclass(frozen=True)
class Counts:
    """The size of a plain model.

    Attributes:
        parameters: Integer, the kept ones.
        multiply_adds: Integer, of one example, with the kept ones; or `None`.
    """

    parameters: int
    multiply_adds: int | None


def count(model):
    """Returns the `Counts` of a model."""
    found = report(model, paths=False)
    return Counts(found.model_kept, found.sparse_multiply_adds)


class Clock:
    """A timer of candidates against their original model, in one runtime.

    Args:
        model: The plain model.
        runtime: Name of a format.
        directory: Path for temporary files.
    """

    def __init__(self, model, runtime, directory):
        self._runtime = runtime
        self._directory = pathlib.Path(directory)
        self._before = self._side(model, "before")
        self._x = sides.ModelSide(model).made_up(1)

    def measure(self, model):
        """Returns the latency of a model, a dict.

        It holds the milliseconds of one example, their share of the original
        model's, the interquartile range of this share, and the number of new
        processes that it was measured in: none.
        """
        pair = self._before, self._side(model, "after")
        rounds = []
        for _ in range(_ROUNDS):
            both = [side.reopened().inference(self._x) for side in pair]
            rounds.append(timing.times_of(*both, _REPEATS))
        return _latency(timing.summary(rounds), 0)

    def measure_in_processes(self, model):
        """Returns the latency of a model as `measure` does, in new processes:
        this one has other things in memory than one that serves the model.

        Returns an empty dict if a new process cannot load a file.
        """
        pair = self._before, self._side(model, "after")
        how = [self._x, self._x], _REPEATS, _PROCESSES
        try:
            return _latency(processes.compare_times(pair, *how), _PROCESSES)
        except ValueError:  # Of custom layers.
            return {}

    def _side(self, model, name):
        side = sides.ModelSide(model)
        return side.in_runtime(self._runtime, self._directory / name)


def _latency(found, processes):
    low, high = found.spread
    return {
        "latency": 1000 * found.after,
        "latency_share": 1 / found.ratio,
        "latency_spread": [1 / high, 1 / low],
        "latency_processes": processes,
    }


def file_bytes(model, runtime, directory):
    """Returns the bytes of a model's file in a format."""
    path = pathlib.Path(directory, "file")
    path = path.with_suffix(formats.FORMATS[runtime].suffix)
    return export(model, path, runtime).bytes
