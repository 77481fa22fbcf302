"""Accuracies over neurons kept, drawn."""

import drawing
import numpy as np
from neurons import tables

_COLOURS = {
    "ossum": "#b3401a",
    "linear_ossum": "#d98f2b",
    "log_ossum": "#7a5c9e",
    "supermask": "#2f6f9f",
    "neuron_norm": "#5b8c5a",
    "coreset": "#4aa3a2",
    "neuron_random": "#8a8a8a",
}


def curves(panels, path):
    """Draws accuracies over neurons kept, with a band of one deviation.

    Args:
        panels: Dict from a title to (series, kept), as of `tables.table`.
        path: Path of the PNG file.
    """
    pyplot = drawing.pyplot()
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(4.2 * columns, 3.4 * rows), squeeze=False
    )
    for ax in axes.ravel()[len(panels) :]:
        ax.axis("off")
    for ax, (title, (series, kept)) in zip(
        axes.ravel(), panels.items(), strict=False
    ):
        for method, values in series.items():
            mean = values.mean(axis=0)
            spread = values.std(axis=0, ddof=min(1, len(values) - 1))
            (line,) = ax.plot(
                kept,
                mean,
                marker="o",
                markersize=3,
                color=_COLOURS.get(
                    method, _COLOURS.get(method.removesuffix("_norm"))
                ),
                label=tables.name(method),
            )
            ax.fill_between(
                kept,
                mean - spread,
                mean + spread,
                color=line.get_color(),
                alpha=0.15,
                linewidth=0,
            )
        ax.set_xscale("log")
        ax.set_xlabel("neurons kept")
        ax.set_ylabel("test accuracy in %")
        ax.set_title(title, fontsize=10)
        ax.spines[["top", "right"]].set_visible(False)
    lines, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        lines,
        names,
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        ncols=4 if columns > 1 else 2,
        fontsize=8,
        frameon=False,
    )
    _save(pyplot, figure, path)


def scatter(points, path):
    """Draws the accuracy of each architecture over its share of parameters.

    Args:
        points: Dict from method to an array of (share removed in %, accuracy
            in %).
        path: Path of the PNG file.
    """
    pyplot = drawing.pyplot()
    figure, ax = pyplot.subplots(figsize=(5.5, 4))
    for method, values in points.items():
        values = np.array(values)
        ax.scatter(
            values[:, 0],
            values[:, 1],
            s=7,
            alpha=0.6,
            label=tables.name(method),
        )
    ax.set_xlabel("parameters removed, in %")
    ax.set_ylabel("accuracy without training, in %")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize=8, frameon=False)
    _save(pyplot, figure, path)


def _save(pyplot, figure, path):
    figure.tight_layout()
    figure.savefig(path, dpi=120, bbox_inches="tight")
    pyplot.close(figure)
