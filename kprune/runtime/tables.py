"""Formats tables as Markdown and as plain text."""

import io
import re
import statistics

from rich.box import Box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

# A rule under the header and nothing else, in ASCII.
_RULE = Box("    \n    \n----\n" + 5 * "    \n", ascii=True)
_LEAST = 16  # Characters that a column of words keeps when room is short.


def markdown(head, rows, words=1):
    """Returns a table in Markdown without a final newline. Aligns the columns
    after the first `words` to the right, for numbers."""
    rule = ["---" if i < words else "---:" for i in range(len(head))]
    return "\n".join(map(markdown_row, [head, rule, *rows]))


def markdown_row(cells):
    """Returns one line of a table in Markdown."""
    return f"| {' | '.join(map(str, cells))} |"


def terminal(head, rows, words=(0,), width=100):
    """Returns a table as plain text with rules, without colours.

    Aligns the columns at the indices `words` to the left, and wraps them if the
    table is wider than `width` characters. The others hold numbers, which are
    never wrapped.
    """
    table = Table(
        box=_RULE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0)
    )
    least = [max(map(len, cells)) for cells in zip(head, *rows, strict=True)]
    for i, name in enumerate(head):
        if i in words:
            least[i] = min(least[i], _LEAST)
        table.add_column(
            name,
            justify="left" if i in words else "right",
            no_wrap=i not in words,
            min_width=least[i],
        )
    for row in rows:
        table.add_row(
            *(_Words(c) if i in words else c for i, c in enumerate(row))
        )
    lines = _printed(table, max(width, sum(least) + 2 * len(least) - 2))
    return "\n".join([*lines, lines[1]])


def mean(values, digits=2, sign="±"):
    """Returns the mean of numbers, with their sample standard deviation (n - 1)
    if there are several.

    Args:
        values: Iterable of at least one number.
        digits: Number of digits after the decimal point.
        sign: String between mean and deviation.

    Example:

    >>> mean([97.0, 98.5])
    '97.75 ± 1.06'
    """
    values = [float(value) for value in values]
    text = f"{statistics.mean(values):.{digits}f}"
    if len(values) == 1:
        return text
    return f"{text} {sign} {statistics.stdev(values):.{digits}f}"


class _Words:
    """A rich renderable that wraps text after spaces and slashes."""

    def __init__(self, text):
        self._text = text

    def __rich_measure__(self, console, options):
        return Measurement(1, min(len(self._text), options.max_width))

    def __rich_console__(self, console, options):
        yield Text("\n".join(_fold(self._text, options.max_width)))


def _fold(text, width):
    lines = [""]
    for part in re.findall(r"[^/\s]*[/\s]?", text):
        if lines[-1] and len(lines[-1] + part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return [
        line[i : i + width]
        for line in map(str.rstrip, lines)
        for i in range(0, len(line), width)
    ]


def _printed(table, width):
    console = Console(
        file=io.StringIO(),
        width=width,
        height=1000,
        color_system=None,
        force_terminal=False,
        force_jupyter=False,
        legacy_windows=False,
        markup=False,
        emoji=False,
        highlight=False,
    )
    console.print(table, crop=False)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]
