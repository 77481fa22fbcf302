"""A study of one-shot pruning: cells, tables, claims and a figure.

Each cell (seed, way to prune) is written to the directory and not computed
again.
"""

import os

import keras
import numpy as np

from kprune.experiment import directory
from kprune.runtime import files, lookup, palette, plots, tables
from one_shot import claims, ways
from one_shot.subject import Subject


def define(flags):
    """Defines the flags that all such studies have."""
    flags.string("workdir", None, "Directory of all cells.")
    flags.require("workdir", "DIRECTORY")
    text = "Share of the steps to train for after pruning."
    flags.float("tuned", 0.05, text)
    flags.list("methods", list(ways.METHODS), "Criteria.")
    allocations = list(ways.ALLOCATIONS)
    flags.list("allocations", allocations, "Allocations of weights to layers.")
    shares = ["0.3", "0.5", "0.6", "0.7", ways.NM]
    flags.list("sparsities", shares, "Shares of the weights to remove.")
    flags.list("seeds", ["0", "1", "2"], "Seeds of weights and batches.")
    text = "Whether to run everything on a small network."
    flags.boolean("quick", False, text)


def check(flags):
    """Refuses names that no method or allocation has."""
    for name in flags.methods:
        lookup.choose(name, dict.fromkeys(ways.METHODS), "method")
    for name in flags.allocations:
        lookup.choose(name, dict.fromkeys(ways.ALLOCATIONS), "allocation")


def run(flags, task, config, figure):
    """Completes the cells and prints tables and claims.

    Args:
        flags: Of `define`.
        task: A `one_shot.task.Task`.
        config: Dict of what must be the same in all cells of a directory.
        figure: Name of the file to draw into the directory.
    """
    if directory.status(flags.workdir, config, leaves=dict) == "new":
        directory.start(flags.workdir, {"config": config})
    seeds = [int(seed) for seed in flags.seeds]
    chosen = ways.ways(
        flags.methods, flags.allocations, _shares(flags.sparsities)
    )
    subject = Subject(task)
    for seed in seeds:
        base = _base(flags.workdir, seed)
        _complete(base, subject, seed, chosen, task.measure.name)
    found = [_read(_base(flags.workdir, seed)) for seed in seeds]
    results = Results(found, chosen, task.measure)
    print(f"\n{results.report()}", flush=True)
    if plots.missing():
        print(plots.missing())
        return
    path = os.path.join(flags.workdir, figure)
    results.draw(path)
    print(f"Drawn: {path}")


def _shares(texts):
    """Returns shares as numbers; "2:4" stays."""
    return [one if one == ways.NM else float(one) for one in texts]


def _base(workdir, seed):
    return os.path.join(workdir, f"seed{seed}")


def _read(base):
    return files.read_record(f"{base}.json") or {}


def _complete(base, subject, seed, chosen, measure):
    """Completes the cells of a seed: a dict from what was done to what came
    of it."""
    found = _read(base)

    def put(key, cell):
        found[key] = cell
        print(f"seed {seed}, {key}: {cell}", flush=True)
        files.write_record(f"{base}.json", found)

    left = [w for w in (None, *chosen) if _key(w, True) not in found]
    if not left:
        return
    if os.path.exists(f"{base}.keras"):
        model = keras.models.load_model(f"{base}.keras")
    else:
        model = subject.trained(seed)
        files.write_keras(f"{base}.keras", model)
    subject.take(model, seed)
    for way in left:
        kept = subject.prune(way)
        for tuned in (False, True):
            if tuned:
                subject.tune()
            cell = {measure: subject.measure(), "kept": kept}
            put(_key(way, tuned), cell)


def _key(way, tuned):
    return ways.key(ways.DENSE, tuned) if way is None else way.key(tuned)


class Results:
    """What came of all cells.

    Args:
        found: List of dicts from the key of a cell to the cell, one a seed.
        chosen: List of `ways.Way`.
        measure: A `task.Measure`.
    """

    def __init__(self, found, chosen, measure):
        self._found, self._ways, self._measure = found, chosen, measure

    def report(self):
        """Returns the tables: what was measured, and claims."""
        parts, name = [], self._measure.name
        for tuned, when in _WHEN.items():
            dense = self._text(ways.key(ways.DENSE, tuned))
            parts.append(
                f"**{name.capitalize()} {when}**, dense {dense}, by share of "
                "the weights of the blocks that is removed\n\n"
                f"{self._table(tuned)}"
            )
            checked = claims.rows(self._values, tuned, self._measure)
            head = (f"what the papers report, {when}", "here", name)
            parts.append(tables.markdown(head, checked, words=3))
        return "\n\n".join(parts) + "\n"

    def draw(self, path):
        """Draws the measure over sparsity, at once and after training on."""
        panels = []
        for tuned, title in _WHEN.items():
            dense = self._values(ways.key(ways.DENSE, tuned)).mean()
            gray = {"color": "gray"}
            lines = [plots.Rule(y=dense, label="dense", look=gray)]
            lines += self._lines(tuned)
            axes = {
                "xlabel": "weights removed, %",
                "ylabel": self._measure.name,
            }
            panels.append(plots.Panel(lines, title, **axes))
        plots.draw(panels, path, legend="below")

    def _values(self, key):
        name = self._measure.name
        return np.array([cells[key][name] for cells in self._found])

    def _text(self, key):
        return tables.mean(self._values(key))

    def _kinds(self):
        """Returns the pairs of method and allocation."""
        return list(dict.fromkeys((w.method, w.allocation) for w in self._ways))

    def _table(self, tuned):
        shares = list(dict.fromkeys(way.sparsity for way in self._ways))
        rows = []
        for kind in self._kinds():
            row = [*kind]
            for share in shares:
                way = ways.Way(*kind, share)
                known = way in self._ways
                row.append(self._text(way.key(tuned)) if known else _AS_UNIFORM)
            rows.append(row)
        head = ["criterion", "allocation", *map(ways.shown, shares)]
        return tables.markdown(head, rows, words=2)

    def _lines(self, tuned):
        own = palette.looks(dict.fromkeys(way.method for way in self._ways))
        for kind in self._kinds():
            method, allocation = kind
            shown = [
                way
                for way in self._ways
                if (way.method, way.allocation) == kind
                and way.sparsity != ways.NM
            ]
            means = [self._values(way.key(tuned)).mean() for way in shown]
            style = "-" if allocation == "uniform" else "--"
            yield plots.Line(
                [100 * way.sparsity for way in shown],
                means,
                f"{method}, {allocation}",
                look={**own[method], "linestyle": style},
            )


_WHEN = {False: "at once", True: "after some more training"}
_AS_UNIFORM = "as uniform"
