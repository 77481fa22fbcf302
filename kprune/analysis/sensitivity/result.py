"""The result: one cell for each unit at each level."""

import dataclasses
import json
import math

import numpy as np

from kprune.analysis.sensitivity.units import Unit
from kprune.runtime import checks, files, lookup, paths, plots, tables
from kprune.runtime.doors import checked

_METRIC = {"metric": checks.optional(checks.string)}


@dataclasses.dataclass(frozen=True)
class Cell:
    """A unit at a level.

    Attributes:
        unit: Name of the unit.
        level: The sparsity of its weights.
        metrics: Dict of what was measured, by the name of a metric.
        removed: Number of entries that the unit loses by it, of all weights.
        removed_multiply_adds: The multiply-adds for one example that go with
            them, or `None` if not known.
    """

    unit: str
    level: float
    metrics: dict
    removed: int
    removed_multiply_adds: int | None


@dataclasses.dataclass(frozen=True, repr=False)
class Sensitivity:
    """How much a model loses with one unit of it pruned. `str` makes a table
    of it.

    Attributes:
        model: Name of the model.
        method: What it was pruned by, in words.
        metric: Name of the metric that is shown.
        modes: Dict from metric to `"max"` or `"min"`, what is better.
        examples: Number of examples that it was measured on.
        levels: Tuple of the sparsities.
        units: Tuple of `Unit`: a name, and which weights it stands for.
        baseline: Dict of the metrics of the model as it is.
        cells: Tuple of `Cell`, by unit and level.
    """

    model: str
    method: str
    metric: str
    modes: dict
    examples: int
    levels: tuple
    units: tuple[Unit, ...]
    baseline: dict
    cells: tuple[Cell, ...]

    @checked(**_METRIC)
    def matrix(self, metric=None):
        """Returns a metric, by default the one that is shown, as an array with
        a row for each unit and a column for each level."""
        metric = self._metric(metric)
        values = [cell.metrics[metric] for cell in self.cells]
        return np.reshape(values, (len(self.units), len(self.levels)))

    @checked(**_METRIC)
    def drops(self, metric=None):
        """Returns how much worse than the model's own a metric is, as `matrix`
        has it: above 0 where pruning harms."""
        metric = self._metric(metric)
        mode = self.modes.get(metric)
        if mode is None:
            raise ValueError(
                f"Whether more or less of {metric!r} is better is not known. "
                f"Expected one of {sorted(self.modes)}, or measure with "
                f'`metric={metric!r}` and `mode="max"` or "min".'
            )
        worse = self.matrix(metric) - self.baseline[metric]
        return worse if mode == "min" else -worse

    def to_dict(self):
        """Returns all of it as a dict that JSON can hold, with `None` for what
        is not finite. `kprune.allocation.sensitivity` takes it, too."""
        return {
            **dataclasses.asdict(self),
            "levels": list(self.levels),
            "units": [
                {**dataclasses.asdict(u), "weights": list(u.weights)}
                for u in self.units
            ],
            "baseline": _finite(self.baseline),
            "cells": [
                {**dataclasses.asdict(c), "metrics": _finite(c.metrics)}
                for c in self.cells
            ],
        }

    def to_json(self):
        """Returns `to_dict` as a JSON string."""
        return json.dumps(self.to_dict(), indent=2)

    @checked(path=paths.file)
    def save(self, path):
        """Writes it to a file, by its ending as `.json`, as `.png`, a heat map,
        or, as `str` has it, `.txt`.

        Args:
            path: File path, in a directory that exists.

        Raises:
            ValueError: If it ends in something else, or a heat map cannot be
                drawn for want of matplotlib.
        """
        ways = {
            ".json": lambda: files.write_json(path, self.to_dict()),
            ".png": lambda: self._draw(path),
            ".txt": lambda: files.write_text(path, f"{self}\n"),
        }
        lookup.choose(paths.ending(path), ways, "ending of a file")()

    def __str__(self):
        head = ["Pruned alone", *map(_percent, self.levels)]
        rows = [
            [unit.name, *(f"{value:.4f}" for value in row)]
            for unit, row in zip(self.units, self.matrix(), strict=True)
        ]
        text = (
            f'"{self.model}" by {self.method}: {self.metric} on '
            f"{self.examples:,} examples, {self.baseline[self.metric]:.4f} "
            "with nothing more pruned."
        )
        return f"{text}\n{tables.terminal(head, rows)}"

    def __repr__(self):
        return (
            f"<Sensitivity of {self.model!r} to {self.method}: {self.metric}, "
            f"{len(self.units)} units at {len(self.levels)} levels>"
        )

    def _metric(self, metric):
        metric = self.metric if metric is None else metric
        return lookup.choose(
            metric, {name: name for name in self.baseline}, "metric"
        )

    def _draw(self, path):
        if plots.missing():
            raise ValueError(plots.missing())
        values = self.matrix()
        shown = np.append(values, self.baseline[self.metric])
        shown = shown[np.isfinite(shown)]
        plots.heat_map(
            [unit.name for unit in self.units],
            values,
            path,
            f"{self.model}: {self.metric} by {self.method}",
            columns=[_percent(level) for level in self.levels],
            span=(shown.min(), shown.max()) if shown.size else (0, 1),
            xlabel="sparsity of one layer, the others as they are",
        )


def _percent(level):
    return f"{100 * level:g} %"


def _finite(metrics):
    return {n: v if math.isfinite(v) else None for n, v in metrics.items()}
