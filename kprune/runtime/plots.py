"""Draws plots with matplotlib; nothing else imports it.

matplotlib is optional: `missing` says whether it has to be installed.
"""

import contextlib
import dataclasses
import importlib.util

import numpy as np

from kprune.runtime import files
from kprune.runtime.palette import COLORS, RED, SKY

_INK = "#222222"
# The colours of light pages, and those of dark ones. White is that of the
# background, not that of a text or a marker.
_DARK = {
    _INK: "#dddddd",
    "#000000": "#dddddd",
    'style="fill: #ffffff"/>': 'style="fill: none"/>',
}
_HOLLOW = {"linestyle": "none", "mfc": "white", "zorder": 3}


def missing():
    """Returns a message that says how to install matplotlib, or `None` if it is
    installed."""
    if importlib.util.find_spec("matplotlib") is None:
        return (
            "No figure is drawn: matplotlib is not installed. To draw "
            'figures, pip install "kprune[plots]".'
        )
    return None


@dataclasses.dataclass(frozen=True)
class Line:
    """Points in a panel, joined or not.

    Args:
        x, y: Sequences of numbers. A NaN in y leaves a gap.
        label: String for the legend, or `None`.
        spread: Sequence of deviations from y, or a pair of them, below and
            above; `None` draws none.
        band: Whether to draw the spread as a band instead of error bars.
        hollow: Whether the points are hollow and not joined.
        look: Dict of matplotlib's line options, such as `color`.
    """

    x: list
    y: list
    label: str | None = None
    spread: list | None = None
    band: bool = False
    hollow: bool = False
    look: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Rule:
    """A straight line across a panel, at an `x` or a `y`.

    `spread` is a pair of values of y between which to draw a band, or `None`.
    `label` and `look` are as in `Line`.
    """

    y: float | None = None
    x: float | None = None
    label: str | None = None
    spread: tuple | None = None
    look: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Panel:
    """Lines in one pair of axes.

    Args:
        lines: List of `Line` and `Rule`.
        title, xlabel, ylabel: Strings.
        log, inverted: The logarithmic and the inverted axes: `""`, `"x"`,
            `"y"` or `"xy"`.
        xticks, yticks: Dicts from a position to its label. Default to
            matplotlib's ticks.
        ylimits: A pair of numbers. Defaults to matplotlib's limits.
    """

    lines: list
    title: str = ""
    xlabel: str = ""
    ylabel: str = ""
    log: str = ""
    inverted: str = ""
    xticks: dict | None = None
    yticks: dict | None = None
    ylimits: tuple | None = None


def draw(
    panels,
    path,
    *,
    columns=2,
    size=(6.4, 4.2),
    title="",
    legend=None,
):
    """Draws panels into a file, PNG or SVG by its suffix.

    Args:
        panels: List of `Panel`.
        path: Path of the file.
        columns: The most panels in a row.
        size: Width and height of a panel, in inches.
        title: String above all panels.
        legend: `None` for a legend in each panel; `"right"` or `"below"` for
            a single one, that of the first panel, beside or under all.
    """
    with _figure(path, len(panels), columns, size) as (figure, axes):
        for axis, panel in zip(axes, panels, strict=True):
            _draw(axis, panel)
            if legend is None:
                axis.legend(frameon=False, fontsize=8)
        if legend is not None:
            place = {"right": "right upper", "below": "lower center"}[legend]
            figure.legend(
                *axes[0].get_legend_handles_labels(),
                loc=f"outside {place}",
                ncols=1 if legend == "right" else min(4, 2 * len(panels)),
                frameon=False,
            )
        figure.suptitle(title)


def dark(svg):
    """Returns the text of an SVG drawn here, for a dark page: with light ink
    and no background."""
    for light, replacement in _DARK.items():
        svg = svg.replace(light, replacement)
    return svg


def histograms(values, marks, path, title=""):
    """Draws histograms side by side, each with vertical lines.

    Args:
        values: Dict from title to array.
        marks: Dict from title to the positions of the lines.
        path: Path of the file.
        title: String above all histograms.
    """
    with _figure(path, len(values), 4, (3.2, 2.4)) as (figure, axes):
        for axis, (name, array) in zip(axes, values.items(), strict=True):
            axis.hist(array, bins=60, color=SKY)
            for place in marks[name]:
                axis.axvline(place, color=RED, linewidth=1.5)
            axis.set_title(name, fontsize=9)
            axis.tick_params(labelsize=7)
            axis.set_yticks([])
        figure.suptitle(title)


def bars(values, path, xlabel):
    """Draws labelled horizontal bars of `values`, a dict from name to
    percentage."""
    size = (7, 0.35 * len(values) + 1.2)
    with _figure(path, 1, 1, size) as (_, (axis,)):
        drawn = axis.barh(list(values), list(values.values()), color=SKY)
        axis.bar_label(drawn, fmt="%.2f", fontsize=8, padding=2)
        axis.invert_yaxis()
        axis.set_xlim(0, 109)
        axis.set_xlabel(xlabel)


def heat_map(
    names, matrix, path, title, *, columns=None, span=(0, 1), xlabel=""
):
    """Draws a matrix as coloured cells with their numbers.

    Args:
        names: List of names of the rows.
        matrix: Array of two dimensions. The cell of a NaN is empty.
        path: Path of the file.
        title: String.
        columns: Names of the columns. Defaults to those of the rows.
        span: The values of the first and the last colour.
        xlabel: String below the columns.
    """
    columns = names if columns is None else columns
    size = 3 + 0.5 * len(columns), 2 + 0.45 * len(names)
    low, high = span
    with _figure(path, 1, 1, size) as (_, (axis,)):
        axis.imshow(matrix, vmin=low, vmax=high, cmap="viridis", aspect="auto")
        axis.set_xticks(range(len(columns)), columns, rotation=90)
        axis.set_yticks(range(len(names)), names)
        look = {"ha": "center", "va": "center", "fontsize": 8}
        for (row, column), value in np.ndenumerate(matrix):
            light = value > low + 0.6 * (high - low)
            color = "black" if light else "white"
            text = "" if np.isnan(value) else f"{value:.2f}"
            axis.text(column, row, text, look, color=color)
        axis.set_xlabel(xlabel)
        axis.set_title(title, loc="left", weight="bold")


@contextlib.contextmanager
def _figure(path, count, columns, size):
    """Yields (figure, list of `count` axes), then saves the figure."""
    import matplotlib

    with matplotlib.rc_context(_style()):
        yield from _made(path, count, columns, size)


def _style():
    """Returns matplotlib's settings for figures."""
    ink = ("text.color", "axes.labelcolor", "axes.edgecolor")
    ink += ("xtick.color", "ytick.color")
    style = dict.fromkeys(ink, _INK)
    # Makes the files of equal figures equal.
    return {**style, "svg.hashsalt": "kprune"}


def _made(path, count, columns, size):
    # Not pyplot, whose backend is the user's: a notebook shows figures by it.
    from matplotlib.figure import Figure

    columns = min(columns, count)
    rows = -(-count // columns)
    size = size[0] * columns, size[1] * rows
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_prop_cycle(color=COLORS)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes.flat[count:]:
        axis.set_axis_off()
    yield figure, list(axes.flat[:count])
    # An SVG's date would make the files of equal figures differ.
    dated = {"metadata": {"Date": None}} if str(path)[-4:] == ".svg" else {}
    with files.replaced(path) as half:
        figure.savefig(half, dpi=150, **dated)


def _draw(axis, panel):
    if "x" in panel.log:
        axis.set_xscale("log")
    if "y" in panel.log:
        axis.set_yscale("log")
    axis.margins(0.04)
    for one in panel.lines:
        (_draw_rule if isinstance(one, Rule) else _draw_line)(axis, one)
    if "x" in panel.inverted:
        axis.invert_xaxis()
    if "y" in panel.inverted:
        axis.invert_yaxis()
    for ticks, one in ((panel.xticks, axis.xaxis), (panel.yticks, axis.yaxis)):
        if ticks is not None:
            one.set_ticks(list(ticks), list(ticks.values()))
            one.set_ticks([], minor=True)
    if panel.ylimits is not None:
        axis.set_ylim(*panel.ylimits)
    axis.set_xlabel(panel.xlabel)
    axis.set_ylabel(panel.ylabel)
    axis.set_title(panel.title, loc="left", weight="bold", fontsize=10)
    axis.grid(alpha=0.25, linewidth=0.6)


def _draw_line(axis, line):
    look = {"marker": "o", "markersize": 4, "linewidth": 1.4, **line.look}
    look |= _HOLLOW if line.hollow else {}
    look |= {"label": line.label, "elinewidth": 0.9, "capsize": 2}
    bars = None if line.band else line.spread
    drawn, *_ = axis.errorbar(line.x, line.y, bars, **look)
    if line.band:
        y, spread = np.asarray(line.y), np.asarray(line.spread)
        color = drawn.get_color()
        low, high = y - spread, y + spread
        axis.fill_between(line.x, low, high, color=color, alpha=0.15, lw=0)


def _draw_rule(axis, rule):
    import matplotlib

    ink = matplotlib.rcParams["text.color"]  # Black vanishes on a dark page.
    look = {"color": ink, "linewidth": 1, "label": rule.label, **rule.look}
    if rule.x is not None:
        axis.axvline(rule.x, **look)
        return
    axis.axhline(rule.y, **look)
    if rule.spread is not None:
        axis.axhspan(*rule.spread, color=ink, alpha=0.08, lw=0)
