"""The result of `sensitivity`: one cell for each unit at each level."""

import dataclasses
import json
import math
from typing import Any

import numpy as np

from kprune.analysis.sensitivity.units import Unit
from kprune.runtime import checks, files, lookup, paths, plots, tables
from kprune.runtime.doors import checked
from kprune.runtime.types import Path

_METRIC = {"metric": checks.optional(checks.string)}


@dataclasses.dataclass(frozen=True)
class Cell:
    """The metrics with one unit pruned to one level.

    Attributes:
        unit: Name of the unit.
        level: The sparsity of its weights, in (0, 1).
        metrics: Dict of the measured values by the name of a metric.
        removed: Number of entries that this removes from all weights.
        removed_multiply_adds: Their multiply-adds for one example, or `None`
            if unknown.
    """

    unit: str
    level: float
    metrics: dict[str, float]
    removed: int
    removed_multiply_adds: int | None


@dataclasses.dataclass(frozen=True, repr=False)
class Sensitivity:
    """Metrics of a model with one unit pruned at a time; `str` makes a table.

    Attributes:
        model: Name of the model.
        method: Name of the pruning method.
        metric: Name of the metric to show.
        modes: Dict from metric to its better direction, `"max"` or `"min"`.
            Metrics of unknown direction are missing.
        examples: Number of examples that were evaluated.
        levels: Tuple of the sparsities, ascending.
        units: Tuple of `Unit`, each with a name and its weights.
        baseline: Dict of the metrics of the model before any unit is pruned.
        cells: Tuple of `Cell`: for each unit, one for each level.
    """

    model: str
    method: str
    metric: str
    modes: dict[str, str]
    examples: int
    levels: tuple[float, ...]
    units: tuple[Unit, ...]
    baseline: dict[str, float]
    cells: tuple[Cell, ...]

    @checked(**_METRIC)
    def matrix(self, metric: str | None = None) -> np.ndarray:
        """Returns a metric as an array of shape (units, levels); it defaults
        to the one to show."""
        metric = self._metric(metric)
        values = [cell.metrics[metric] for cell in self.cells]
        return np.reshape(values, (len(self.units), len(self.levels)))

    @checked(**_METRIC)
    def drops(self, metric: str | None = None) -> np.ndarray:
        """Returns how much worse a metric is than its baseline, as an array of
        shape (units, levels): above 0 where pruning harms."""
        metric = self._metric(metric)
        mode = self.modes.get(metric)
        if mode is None:
            raise ValueError(
                f"kprune does not know whether a higher {metric!r} is better. "
                f"Expected one of {sorted(self.modes)}, or measure with "
                f'`metric={metric!r}` and `mode="max"` or "min".'
            )
        worse = self.matrix(metric) - self.baseline[metric]
        return worse if mode == "min" else -worse

    def to_dict(self) -> dict[str, Any]:
        """Returns the result as a dict for JSON, with `None` for metrics that
        are not finite. `kprune.allocation.sensitivity` takes it, too."""
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

    def to_json(self) -> str:
        """Returns `to_dict` as a JSON string."""
        return json.dumps(self.to_dict(), indent=2)

    @checked(path=paths.file)
    def save(self, path: Path) -> None:
        """Writes the result to a file.

        Args:
            path: File path, in an existing directory. Its ending chooses the
                form: `.json` for `to_dict`, `.svg` or `.png` for a heat map,
                `.txt` for the table.

        Raises:
            ValueError: If the ending is none of these, or if matplotlib, which
                draws the heat map, is missing.
        """
        ways = {
            ".json": lambda: files.write_json(path, self.to_dict()),
            ".svg": lambda: self._draw(path),
            ".png": lambda: self._draw(path),
            ".txt": lambda: files.write_text(path, f"{self}\n"),
        }
        lookup.choose(paths.ending(path), ways, "ending of a file")()

    def __str__(self) -> str:
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

    def __repr__(self) -> str:
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
