"""OSSuM's experiments, one config each: results, a table and a plot.

  python tools/studies/run.py ossum --config=configs/ossum.py \\
      --runs=runs/ossum

Under --runs each variant and seed has a JSON file of its own; the same command
goes on where it was stopped. At the end come a table in Markdown, which is
also written there, and a plot, if matplotlib is installed. What is run stands
in `config.paper.experiment`.
"""

import statistics

import numpy as np

from kprune import datasets
from kprune.cli import studies
from kprune.experiment.results.study import Kind
from kprune.runtime import lookup, palette, plots, tables
from kprune.runtime.plots import Line, Panel
from ossum import curves, deep, search

NAMES = {
    "ossum": "OSSuM",
    "linear_ossum": "Linear OSSuM",
    "log_ossum": "Log OSSuM",
    "ossum_norm": "OSSuM + norm",
    "linear_ossum_norm": "Linear OSSuM + norm",
    "log_ossum_norm": "Log OSSuM + norm",
    "pab": "OSSuM + PAB",
    "linear_pab": "Linear OSSuM + PAB",
    "log_pab": "Log OSSuM + PAB",
    "neuron_norm": "norm",
    "neuron_random": "random",
    "coreset": "coreset",
    "supermask": "gradient supermask",
}


define = studies.define_study


def main(flags):
    studies.main(flags, KINDS, "configs/ossum.py")


def table(experiment, found):
    """Returns the accuracies over neurons kept, a table for each variant."""
    parts = []
    for label, results in found.items():
        kept = kept_in(experiment, label)
        head = ["neurons kept", *(f"{size:,}" for size in kept), "best"]
        rows = []
        for method in results[0]["series"]:
            columns = of_seeds(results, method).T
            best = max(columns, key=statistics.mean)
            cells = [tables.mean(column, 1) for column in columns]
            cells.append(f"**{tables.mean(best, 1)}**")
            rows.append([name(method), *cells])
        parts += [f"**{label}**"] * (len(found) > 1)
        parts.append(tables.markdown(head, rows))
    return "\n\n".join(parts)


def best(experiment, found):
    """Returns the architectures that a search chose, one of each seed."""
    parts = []
    for label, results in found.items():
        rows = []
        for result in results:
            for method, row in result["best"].items():
                widths = "-".join(map(str, row["widths"]))
                shares = [row[key] for key in ("removed", "validation", "test")]
                cells = [f"{share:.1f} %" for share in shares]
                rows.append([name(method), widths, *cells])
        head = ["method", "widths", "removed", "held out", "test"]
        parts += [f"**{label}**"] * (len(found) > 1)
        parts.append(tables.markdown(head, rows, words=2))
    return "\n\n".join(parts)


def draw_curves(experiment, found, path):
    """Draws accuracies over neurons kept, with a band of one deviation."""
    panels = []
    for label, results in found.items():
        lines, kept = [], kept_in(experiment, label)
        looks = palette.looks(results[0]["series"])
        for method in results[0]["series"]:
            values = of_seeds(results, method)
            spread = values.std(0, ddof=min(1, len(values) - 1))
            points = kept, values.mean(0), name(method), spread
            lines.append(Line(*points, band=True, look=looks[method]))
        axes = label, "neurons kept", "test accuracy in %"
        panels.append(Panel(lines, *axes, log="x"))
    plots.draw(panels, path, columns=3, size=(4.2, 3.4), legend="below")


def draw_points(experiment, found, path):
    """Draws the accuracy of each architecture over its share of parameters,
    for the first seed."""
    look = {"linestyle": "none", "markersize": 2.5, "alpha": 0.6}
    points = next(iter(found.values()))[0]["points"]
    looks = palette.looks(points)
    lines = [
        Line(
            *zip(*values, strict=True),
            name(method),
            look={**looks[method], **look},
        )
        for method, values in points.items()
    ]
    across, up = "parameters removed, in %", "accuracy without training, in %"
    plots.draw([Panel(lines, "", across, up)], path, size=(5.5, 4))


def name(method):
    """Returns what a method, or one with a suffix, is called in tables."""
    base, _, rest = method.partition(":")
    return lookup.choose(base, NAMES, "method") + (f", {rest}" if rest else "")


def kept_in(experiment, label):
    """Returns the numbers of neurons that a variant keeps."""
    return {**experiment, **experiment["variants"][label]}["kept"]


def of_seeds(results, method):
    """Returns the accuracies of a method: seeds x numbers of neurons."""
    return np.array([result["series"][method] for result in results])


def _series(compute):
    """Returns a `Kind` of a function of (model, experiment, seed, arrays)."""

    def computed(build, setting, seed, dataset):
        # First, as what it takes to load is free again for the model.
        data = datasets.load_arrays(**dataset)
        return {"series": compute(build(), setting, seed, data)}

    return Kind(computed, table, draw_curves)


def _searched(build, setting, seed, dataset):
    data = datasets.load_arrays(**dataset)
    return search.search(build(), setting, seed, data)


KINDS = {
    "curves": _series(curves.curves),
    "untrained": _series(deep.untrained),
    "then_trained": _series(deep.then_trained),
    "after_training": _series(deep.after_training),
    "search": Kind(_searched, best, draw_points),
}
