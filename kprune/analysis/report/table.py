"""A report as a table to read."""

import dataclasses
import re
import sys
import textwrap
from collections.abc import Callable

import keras
from absl import logging

from kprune.analysis.report import totals
from kprune.analysis.report.measure import report

_GAP = "  "


def summary(
    model,
    print_fn=None,
    line_length=100,
    inputs=None,
    multiply_adds=True,
    *,
    paths=True,
    against=None,
    data=None,
    loss=None,
    batches=None,
):
    """Prints how sparse a model is: a row for each weight, then totals.

    Of each weight are shown the entries kept, how many of them lie on a path
    from an input to an output, the input and output units that have no entry
    left, of all it has, and the multiply-adds for one example with the
    entries kept, of those of the dense weight. Instead of a sparsity stands
    the reason where a weight was not pruned. Masks to compare with and data
    add a column each: the overlap, and the share of the saliency.

    Args:
        model: A built Keras model, wrapped or not. It is left as it was.
        print_fn: Function that is called once with the whole text, as in
            Keras' `Model.summary`. Defaults to writing to `sys.stdout`, or to
            the log after `keras.config.disable_interactive_logging()`.
        line_length: Width to fit the table in by folding long names.
        inputs, multiply_adds, paths, against, data, loss, batches: As for
            `kprune.report`.

    Raises:
        ValueError: As `kprune.report` does.

    Example:

    >>> kprune.summary(kprune.prune(model, "magnitude", sparsity=0.9))
    Model: "conv2"
    Weight        Shape        Kept  On path  Sparsity  Dead in ...
    """
    if print_fn is None:
        interactive = keras.config.is_interactive_logging_enabled()
        print_fn = _write if interactive else logging.info
    measured = report(
        model,
        inputs,
        multiply_adds,
        paths=paths,
        against=against,
        data=data,
        loss=loss,
        batches=batches,
    )
    print_fn(text(measured, line_length))


def text(report, line_length=100):
    """Returns the table and the totals of a report, without colours.

    Args:
        report: A `Report`.
        line_length: Width to fit the table in by folding long names.
    """
    columns = list(_columns(report))
    header = [column.header for column in columns]
    rows = [[column.text(row) for column in columns] for row in report.rows]
    widths = [
        max(len(cells[i]) for cells in [header, *rows])
        for i in range(len(columns))
    ]
    others = sum(widths[1:]) + len(_GAP) * (len(widths) - 1)
    widths[0] = min(widths[0], max(line_length - others, 20))
    rule = "-" * (widths[0] + others)
    lines = [f'Model: "{report.model}"', _line(columns, header, widths), rule]
    for row, cells in zip(report.rows, rows, strict=True):
        lines += _fold(row, columns, cells, widths)
    return "\n".join([*lines, rule, *totals.lines(report, line_length)])


def _write(message):
    sys.stdout.write(f"{message}\n")


@dataclasses.dataclass(frozen=True)
class _Column:
    """A column of the table.

    Args:
        header: What stands above it.
        cell: Function from a row to its text.
        words: Whether it holds words. Numbers are aligned to the right.
        pruned: Whether it is for weights that were pruned. In the others' rows
            the reason takes the place of all such columns, which are one
            beside the other.
    """

    header: str
    cell: Callable
    words: bool = False
    pruned: bool = False

    def text(self, row):
        """Returns what stands in a row."""
        return "" if self.pruned and not row.counts else self.cell(row)


def _columns(report):
    """Yields the columns that have something to show."""
    yield _Column("Weight", lambda row: row.name, words=True)
    yield _Column(
        "Shape", lambda row: "x".join(map(str, row.shape)), words=True
    )
    yield _Column("Kept", lambda row: f"{row.kept:,}")
    if report.unfollowed is None:
        yield _Column("On path", lambda row: f"{row.effective_kept:,}")
    yield _Column("Sparsity", lambda row: f"{row.sparsity:.4f}", pruned=True)
    yield _Column("Dead in", _dead_inputs, pruned=True)
    yield _Column("Dead out", _dead_outputs, pruned=True)
    if report.untraced is None:
        yield _Column("Mult-adds", _multiply_adds)
    if report.overlap is not None:
        yield _Column("Overlap", lambda row: _fraction(row.overlap))
    if report.saliency is not None:
        yield _Column("Saliency", lambda row: _fraction(row.saliency))


def _fold(row, columns, cells, widths):
    """Yields the lines of a row: a long name goes on below, and so does the
    reason for skipping, which takes the place of several columns."""
    first, *_, last = (i for i, c in enumerate(columns) if c.pruned)
    span = slice(first, last + 1)
    width = sum(widths[span]) + (last - first) * len(_GAP)
    names = _fold_name(cells[0], widths[0])
    reasons = textwrap.wrap(row.skipped or "", width)
    for i in range(max(len(names), len(reasons), 1)):
        now = list(cells) if i == 0 else [""] * len(cells)
        now[0] = names[i] if i < len(names) else ""
        if i < len(reasons):
            now[span] = [reasons[i].ljust(width)]
            spanned = [*widths[:first], width, *widths[last + 1 :]]
            merged = [*columns[:first], *columns[last:]]
            yield _line(merged, now, spanned)
        else:
            yield _line(columns, now, widths)


def _fold_name(name, width):
    """Breaks a name into lines, after a slash where that will do."""
    lines = [""]
    for part in re.findall("[^/]*/?", name):
        if lines[-1] and len(lines[-1] + part) > width:
            lines.append("")
        lines[-1] += part
    return [
        line[i : i + width]
        for line in lines
        for i in range(0, len(line), width)
    ]


def _line(columns, cells, widths):
    aligned = [
        cell.ljust(width) if column.words else cell.rjust(width)
        for column, cell, width in zip(columns, cells, widths, strict=True)
    ]
    return _GAP.join(aligned).rstrip()


def _shape(row):
    return "x".join(map(str, row.shape))


def _dead_inputs(row):
    return f"{row.dead_inputs}/{row.input_units}" if row.input_units else "-"


def _dead_outputs(row):
    return f"{row.dead_outputs}/{row.output_units}" if row.output_units else "-"


def _multiply_adds(row):
    adds = _short(row.multiply_adds)
    if row.sparse_multiply_adds != row.multiply_adds:
        return f"{_short(row.sparse_multiply_adds)}/{adds}"
    return adds


def _fraction(number):
    return "" if number is None else f"{number:.4f}"


def _short(number):
    """Returns a number in three digits from 10,000 on: 9,408, 2.36M."""
    if number is None:
        return "n/a"
    if number < 10_000:
        return f"{number:,}"
    for unit, size in (("G", 10**9), ("M", 10**6), ("K", 10**3)):
        if number >= size:
            value = number / size
            decimals = 2 - (value >= 10) - (value >= 100)
            return f"{value:.{decimals}f}{unit}"
    return str(number)
