"""Draws charts of lines and points as SVG in the page's colours."""

import math

from kprune.runtime.pages import text

_WIDTH, _HEIGHT = 340, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 10, 34
STYLE = """
.charts { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; break-inside: avoid; }
figcaption { font-weight: 600; }
figcaption span { color: var(--soft); font-weight: 400; }
figcaption > span { margin-left: 0.6em; }
svg.chart { display: block; max-width: 100%; }
.chart text { fill: var(--soft); font: 11px system-ui, sans-serif; }
.chart .axis { stroke: var(--line); fill: none; }
.chart .one { stroke: var(--accent); fill: none; stroke-width: 1.8; }
.chart .two { stroke: var(--mild); fill: none; stroke-width: 1.8; }
.chart .dot { fill: var(--faint); stroke: none; }
.chart .best { fill: var(--warm); stroke: none; }
.chart .whisker { stroke: var(--faint); }
.one-key { background: var(--accent); }
.two-key { background: var(--mild); }
"""


class Axes:
    """Places points in a chart and labels the limits of its axes.

    Args:
        x, y: Iterables of all coordinates to draw, finite numbers.
        labels: Pair of strings, the labels of the x-axis and the y-axis.
    """

    def __init__(self, x, y, labels):
        self._x, self._y = _limits(x), _limits(y)
        self._labels = labels

    def place(self, x, y):
        """Returns the pixel coordinates of a point."""
        across = (x - self._x[0]) / (self._x[1] - self._x[0])
        up = (y - self._y[0]) / (self._y[1] - self._y[0])
        return (
            _LEFT + across * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM),
        )

    def chart(self, drawn):
        """Returns the chart as SVG, with the elements `drawn` in it."""
        right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
        across, up = self._labels
        middle = (_LEFT + right) / 2
        lines = [
            f'<svg class="chart" width="{_WIDTH}" height="{_HEIGHT}" '
            f'viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
            f'aria-label="{text(up)} over {text(across)}">',
            f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>',
            *drawn,
            _label(_LEFT - 6, bottom, "end", short(self._y[0])),
            _label(_LEFT - 6, _TOP + 9, "end", short(self._y[1])),
            _label(_LEFT, bottom + 15, "start", short(self._x[0])),
            _label(right, bottom + 15, "end", short(self._x[1])),
            _label(middle, bottom + 28, "middle", across),
            "</svg>",
        ]
        return "\n".join(lines)


def lines(title, series):
    """Returns a chart of figures by epoch, or `""` without finite figures.

    Args:
        title: String, the label of the y-axis.
        series: Dict from name to a list of numbers, one or two. Numbers that
            are not finite are left out.
    """
    points = {
        name: [(x + 1, y) for x, y in enumerate(values) if math.isfinite(y)]
        for name, values in series.items()
    }
    every = [point for found in points.values() for point in found]
    if not every:
        return ""
    axes = Axes(*zip(*every, strict=True), ("epoch", title))
    kinds = dict(zip(points, ("one", "two"), strict=False))
    drawn = [
        element
        for name, found in points.items()
        if found
        for element in _line(kinds[name], [axes.place(*p) for p in found])
    ]
    keys = "".join(
        f'<span><span class="key {kind}-key"></span>{text(name)}</span>'
        for name, kind in kinds.items()
    )
    caption = f"<figcaption>{text(title)} {keys}</figcaption>"
    return f"<figure>{caption}\n{axes.chart(drawn)}</figure>"


def scatter(points, labels):
    """Returns a chart of points with whiskers.

    Args:
        points: List of (x, y, whisker, chosen): the whisker is (low, high) or
            `None`, and `chosen` is whether to highlight the point.
        labels: As for `Axes`.
    """
    ends = [end for *_, span, _ in points for end in span or ()]
    x, y, *_ = zip(*points, strict=True)
    axes, drawn = Axes(x, [*y, *ends], labels), []
    for across, up, span, best in sorted(points, key=lambda point: point[3]):
        (cx, cy), kind = axes.place(across, up), "best" if best else "dot"
        for low, high in [span] if span else []:
            top, bottom = (
                axes.place(across, high)[1],
                axes.place(across, low)[1],
            )
            drawn.append(
                f'<path class="whisker" d="M{cx:.1f} {top:.1f}V{bottom:.1f}"/>'
            )
        drawn.append(
            f'<circle class="{kind}" cx="{cx:.1f}" cy="{cy:.1f}" r="4"/>'
        )
    chosen = "; the chosen one is red" if any(p[3] for p in points) else ""
    caption = f"{labels[1]} over {labels[0]}{chosen}"
    caption = f"<figcaption><span>{text(caption)}</span></figcaption>"
    return f"<figure>{caption}\n{axes.chart(drawn)}</figure>"


def short(number):
    """Formats a number with four digits (0.9712, 1.234e+07), or a whole one
    below 10 million in full (1,234,567)."""
    if isinstance(number, int) and abs(number) < 10**7:
        return f"{number:,}"
    if isinstance(number, float) and number.is_integer() and number < 10**7:
        return f"{int(number):,}"
    return f"{number:.4g}"


def _line(kind, places):
    if len(places) == 1:
        ((x, y),) = places
        yield f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
        return
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    yield f'<polyline class="{kind}" points="{joined}"/>'


def _label(x, y, anchor, words):
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{text(words)}</text>'
    )


def _limits(numbers):
    """Returns the least and the largest number, widened if they are equal."""
    low, high = min(numbers), max(numbers)
    if low < high:
        return low, high
    margin = abs(low) / 10 or 1
    return low - margin, high + margin
