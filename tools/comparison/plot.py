"""Accuracy over sparsity, as a picture."""

import drawing
import numpy as np
from comparison.tables import percent

# Okabe and Ito's colours, which the colour-blind tell apart, without yellow.
_COLORS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#444444",
)
_MARKERS = ("o", "s", "^", "D", "v", "P")  # Six: no pair comes again soon.
# Accuracies to label, those first that are to stay where it gets crowded.
_TICKS = (90, 99, 50, 80, 95, 98, 97, 70, 60, 40, 20, 0, 96, 94, 85, 92, 99.5)
_LEAST = 0.05  # Percent of errors; fewer are drawn here.


def draw(section, path):
    """Draws the accuracy of each method over the sparsity.

    The horizontal axis is the logarithm of the share of weights kept, the
    vertical one that of the error, which spreads what is near 100 %. A paper's
    figures are hollow.

    Args:
        section: `comparison.sections.Section`.
        path: Path of the picture to write.
    """
    pyplot = drawing.pyplot()
    figure, axis = pyplot.subplots(figsize=(9, 5.5), layout="constrained")
    axis.set_xscale("log")
    axis.set_yscale("log")
    for row in section.rows:
        if row.dense:
            _dense(axis, row)
    rows = [row for row in section.rows if not row.dense]
    for row in sorted(rows, key=_last, reverse=True):  # As the lines end.
        _line(axis, row, rows.index(row), len(rows))
    if any(row.paper for row in rows):
        axis.plot([], [], "o", color="gray", mfc="white", label="hollow: paper")
    _ticks(axis, section)
    axis.set_title(
        f"{section.network} on {section.dataset}", loc="left", weight="bold"
    )
    figure.legend(loc="outside right upper", frameon=False)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _last(row):
    """Returns the highest sparsity of a row, and the accuracy there."""
    found = row.measured or row.paper
    return max(found), found[max(found)].mean


def _dense(axis, row):
    for found, style in ((row.measured, "-"), (row.paper, ":")):
        for figure in found.values():
            name = "paper, " + row.name if found is row.paper else row.name
            axis.axhline(
                _error(figure.mean),
                color="black",
                linewidth=1,
                linestyle=style,
                label=f"{name}: {figure.mean:.2f} %",
            )
            if figure.std:
                low, high = figure.mean - figure.std, figure.mean + figure.std
                axis.axhspan(
                    _error(low), _error(high), color="black", alpha=0.08, lw=0
                )


def _line(axis, row, number, count):
    style = {
        "color": _COLORS[number % len(_COLORS)],
        "marker": _MARKERS[number % len(_MARKERS)],
        "markersize": 5,
    }
    # Side by side, so that no bar hides another.
    aside = 1 + 0.006 * (number - (count - 1) / 2)
    second_round = number >= len(_COLORS)
    for found, hollow in ((row.measured, False), (row.paper, True)):
        if not found:
            continue
        sparsities = sorted(found)
        figures = [found[sparsity] for sparsity in sparsities]
        errors = np.array([_error(figure.mean) for figure in figures])
        spread = np.array([figure.std or 0.0 for figure in figures])
        bars = [errors - np.maximum(errors - spread, _LEAST), spread]
        look = {"linestyle": "--" if second_round else "-", "label": row.name}
        if hollow:
            look = {"linestyle": "none", "mfc": "white", "zorder": 3}
        axis.errorbar(
            [(1 - sparsity) * aside for sparsity in sparsities],
            errors,
            bars,
            linewidth=1.4,
            elinewidth=0.9,
            capsize=2,
            **style,
            **look,
        )


def _error(accuracy):
    return max(100 - accuracy, _LEAST)


def _ticks(axis, section):
    """Labels the axes by sparsity and accuracy, without crowding."""
    axis.margins(x=0.04, y=0.05)
    axis.autoscale_view()
    axis.invert_xaxis()
    axis.invert_yaxis()
    kept = [1 - s for s in reversed(section.sparsities) if s]
    shown = _spaced(kept, np.ptp(np.log(axis.get_xlim())) / 14)
    axis.set_xticks(shown, [percent(1 - share) for share in shown])
    axis.set_xlabel("sparsity (log scale of what is kept)")
    errors = [100 - accuracy for accuracy in _TICKS]
    high, low = axis.get_ylim()
    errors = [error for error in errors if low <= error <= high]
    shown = _spaced(errors, np.log(high / low) / 16)
    axis.set_yticks(shown, [f"{100 - error:g}" for error in shown])
    axis.set_ylabel("test accuracy in % (log scale of the error)")
    axis.minorticks_off()
    axis.grid(alpha=0.25, linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)


def _spaced(values, gap):
    """Returns positive values without those too near an earlier one."""
    kept = []
    for value in values:
        if all(abs(np.log(value / other)) >= gap for other in kept):
            kept.append(value)
    return kept
