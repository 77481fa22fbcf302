"""Accuracy over the share of weights left, drawn."""

import statistics

import drawing
from lottery import tables

_COLOURS = {
    "ticket": "#b3401a",
    "reinitialized": "#2f6f9f",
    "shuffled": "#5b8c5a",
}


def draw(found, path):
    """Draws the results of all seeds, with bars of one standard deviation.

    Args:
        found: As for `tables.report`.
        path: Path of the PNG file.
    """
    pyplot = drawing.pyplot()
    figure, ax = pyplot.subplots(figsize=(6.4, 4.2))
    for variant, colour in _COLOURS.items():
        values = {
            100 * (1 - tables.sparsity(found, level)): found_there
            for level in tables.levels(found)
            if (found_there := tables.accuracies(found, level, variant))
        }
        ax.errorbar(
            list(values),
            [statistics.mean(v) for v in values.values()],
            [statistics.stdev(v) if v[1:] else 0 for v in values.values()],
            marker="o",
            markersize=4,
            capsize=2,
            color=colour,
            label=variant,
        )
    ax.set_xscale("log")
    ax.invert_xaxis()
    ticks = [t for t in (100, 50, 20, 10, 5, 2, 1) if t >= ax.get_xlim()[1]]
    ax.set_xticks(ticks, [f"{tick}" for tick in ticks])
    ax.minorticks_off()
    ax.set_xlabel("weights left in %")
    ax.set_ylabel("test accuracy in %")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    figure.savefig(path, dpi=120, bbox_inches="tight")
    pyplot.close(figure)
