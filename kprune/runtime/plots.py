"""Draws plots with matplotlib; nothing else imports it.

kprune does not need matplotlib otherwise: `missing` says whether it is there.
"""

import contextlib
import dataclasses
import importlib.util
import itertools
import zlib

import numpy as np

from kprune.runtime import files

# Okabe and Ito's colours, which the colour-blind tell apart, without yellow.
BLUE, RED, SKY = "#0072B2", "#D55E00", "#56B4E9"
COLORS = (BLUE, RED, "#009E73", "#CC79A7", "#E69F00", SKY, "#888888")
_INK = {False: "#222222", True: "#dddddd"}  # On light pages and on dark.
_MARKERS = ("o", "s", "^", "D", "v", "P")
# Methods that stand beside each other most often, each with a colour alone.
_KNOWN = ("snip", "grasp", "synflow", "random", "force", "magnitude", "prospr")
_HOLLOW = {"linestyle": "none", "mfc": "white", "zorder": 3}


def look(name, taken=()):
    """Returns how the line of a method is drawn, the same in every figure: its
    colour follows from its name alone.

    Args:
        name: Name of the method, without settings.
        taken: Looks of other lines of the figure. If one of them is the same,
            another marker or a dashed line tells them apart.
    """
    place = zlib.crc32(name.encode())
    number = _KNOWN.index(name) if name in _KNOWN else place
    color = COLORS[number % len(COLORS)]
    shift = number if name in _KNOWN else place // len(COLORS)
    for line, step in itertools.product(("-", "--", ":"), range(len(_MARKERS))):
        marker = _MARKERS[(shift + step) % len(_MARKERS)]
        found = {"color": color, "marker": marker, "linestyle": line}
        if found not in [{k: one.get(k) for k in found} for one in taken]:
            break
    return found


def missing():
    """Returns what to install before anything can be drawn, or `None`."""
    if importlib.util.find_spec("matplotlib") is None:
        return (
            "There will be no plot: it needs matplotlib, which is not "
            'installed. pip install "kprune[plots]" brings it.'
        )
    return None


@dataclasses.dataclass(frozen=True)
class Line:
    """Points of a panel, joined or not.

    Args:
        x, y: Sequences of numbers. A y that is NaN leaves a gap.
        label: String for the legend, or `None`.
        spread: Sequence of deviations from y, or a pair of them, below and
            above; `None` without any.
        band: Whether the spread is a band instead of bars.
        hollow: Whether the points are hollow and not joined.
        look: Dict of matplotlib's options of a line, such as `color`.
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
    """A straight line through a whole panel, at an x or a y, with a band
    between the pair of numbers `spread`. `label` and `look` are as a `Line`'s.
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
        log, inverted: Axes that are logarithmic, or that run backwards: `""`,
            `"x"`, `"y"` or `"xy"`.
        xticks, yticks: Dicts from a place to its label, or `None` for
            matplotlib's own.
        ylimits: A pair of numbers, or `None` for all that is drawn.
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
    dark=False,
):
    """Draws panels into a file, PNG or SVG by its suffix.

    Args:
        panels: List of `Panel`.
        path: Path of the file.
        columns: How many panels stand side by side, at most.
        size: Width and height of a panel, in inches.
        title: String above them all.
        legend: `None` for one in each panel; `"right"` or `"below"` for one
            beside or under them all, that of the first.
        dark: Whether it is to stand on a dark page, whose colour shows
            through.
    """
    look = path, len(panels), columns, size, dark
    with _figure(*look) as (figure, axes):
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


def histograms(values, marks, path, title=""):
    """Draws a histogram of each of several arrays by title, with places to
    mark by the same titles."""
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
    """Draws horizontal bars of numbers in percent by name, each with its
    number."""
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
    """Draws a matrix of numbers, with the numbers.

    Args:
        names: Names of the rows, a list.
        matrix: Array of two dimensions. A NaN leaves its place empty.
        path: Path of the file.
        title: String.
        columns: Names of the columns. Default to those of the rows.
        span: The numbers that have the first and the last colour.
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
def _figure(path, count, columns, size, dark=False):
    """Yields a figure with so many pairs of axes, and saves it."""
    import matplotlib

    matplotlib.use("Agg")
    with matplotlib.rc_context(_style(dark)):
        yield from _made(path, count, columns, size)


def _style(dark):
    """Returns matplotlib's settings of light or of dark figures."""
    ink = ("text.color", "axes.labelcolor", "axes.edgecolor")
    ink += ("xtick.color", "ytick.color")
    style = dict.fromkeys(ink, _INK[dark])
    # The same figure is the same file.
    style["svg.hashsalt"] = "kprune"
    if dark:
        style |= {"savefig.facecolor": "none", "axes.facecolor": "none"}
    return style


def _made(path, count, columns, size):
    from matplotlib import pyplot

    columns = min(columns, count)
    rows = -(-count // columns)
    figure, axes = pyplot.subplots(
        rows,
        columns,
        figsize=(size[0] * columns, size[1] * rows),
        layout="constrained",
        squeeze=False,
    )
    for axis in axes.flat:
        axis.set_prop_cycle(color=COLORS)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes.flat[count:]:
        axis.set_axis_off()
    try:
        yield figure, list(axes.flat[:count])
        # The same figure is the same file: an SVG has no date.
        dated = {"metadata": {"Date": None}} if str(path)[-4:] == ".svg" else {}
        with files.replaced(path) as half:
            figure.savefig(half, dpi=150, **dated)
    finally:
        pyplot.close(figure)


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
    look = {"color": "black", "linewidth": 1, "label": rule.label, **rule.look}
    if rule.x is not None:
        axis.axvline(rule.x, **look)
        return
    axis.axhline(rule.y, **look)
    if rule.spread is not None:
        axis.axhspan(*rule.spread, color="black", alpha=0.08, lw=0)
