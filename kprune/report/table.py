"""A report as a table to read."""

import re
import sys
import textwrap

import keras
from absl import logging

from kprune.report.measure import report
from kprune.report.result import fraction

_HEADER = (
    "Weight",
    "Shape",
    "Kept",
    "Sparsity",
    "Dead in",
    "Dead out",
    "Mult-adds",
)
_LEFT = (0, 1)  # Columns of words. Numbers are aligned to the right.
_GAP = "  "


def summary(
    model, print_fn=None, line_length=100, inputs=None, multiply_adds=True
):
    """Prints how sparse a model is: a row for each weight, then totals.

    Of each weight are shown the entries kept, the input and output units that
    have no entry left, of all it has, and the multiply-adds for one example
    with the entries kept, of those of the dense weight. Instead of a sparsity
    stands the reason where a weight was not pruned.

    Args:
        model: A built Keras model, wrapped or not. It is left as it was.
        print_fn: Function that is called once with the whole text, as in
            Keras' `Model.summary`. Defaults to writing to `sys.stdout`, or to
            the log after `keras.config.disable_interactive_logging()`.
        line_length: Width to fit the table in by folding long names.
        inputs: As for `kprune.report`.
        multiply_adds: As for `kprune.report`.

    Raises:
        ValueError: If the model is not built or has no kernels at all.

    Example:

    >>> kprune.summary(kprune.prune(model, "magnitude", sparsity=0.9))
    Model: "conv2"
    Weight        Shape        Kept  Sparsity  Dead in  Dead out ...
    """
    if print_fn is None:
        interactive = keras.config.is_interactive_logging_enabled()
        print_fn = _write if interactive else logging.info
    print_fn(text(report(model, inputs, multiply_adds), line_length))


def text(report, line_length=100):
    """Returns the table and the totals of a report, without colours.

    Args:
        report: A `Report`.
        line_length: Width to fit the table in by folding long names.
    """
    traced = report.untraced is None
    header = _HEADER if traced else _HEADER[:-1]
    rows = [_cells(row)[: len(header)] for row in report.rows]
    widths = [
        max(len(cells[i]) for cells in [header, *rows])
        for i in range(len(header))
    ]
    others = sum(widths[1:]) + len(_GAP) * (len(widths) - 1)
    widths[0] = min(widths[0], max(line_length - others, 20))
    lines = [f'Model: "{report.model}"', _line(header, widths)]
    lines.append("-" * (widths[0] + others))
    for row, cells in zip(report.rows, rows, strict=True):
        lines += _fold(row, cells, widths)
    lines.append(lines[2])
    return "\n".join(lines + list(_totals(report)))


def _write(message):
    sys.stdout.write(f"{message}\n")


def _cells(row):
    """Returns the cells of a row, one for each column."""
    adds = _short(row.multiply_adds)
    if row.sparse_multiply_adds != row.multiply_adds:
        adds = f"{_short(row.sparse_multiply_adds)}/{adds}"
    return [
        row.name,
        "x".join(map(str, row.shape)),
        f"{row.kept:,}",
        "" if row.skipped else f"{row.sparsity:.4f}",
        "" if row.skipped else _dead(row.dead_inputs, row.input_units),
        "" if row.skipped else _dead(row.dead_outputs, row.output_units),
        adds,
    ]


def _fold(row, cells, widths):
    """Yields the lines of a row: a long name goes on below, and so does the
    reason for skipping, which takes the place of three columns."""
    names = _fold_name(cells[0], widths[0])
    span = sum(widths[3:6]) + 2 * len(_GAP)
    reasons = textwrap.wrap(row.skipped or "", span)
    for i in range(max(len(names), len(reasons), 1)):
        now = list(cells) if i == 0 else [""] * len(cells)
        now[0] = names[i] if i < len(names) else ""
        if i < len(reasons):
            now[3:6] = [reasons[i].ljust(span)]
            spanned = [*widths[:3], span, *widths[6:]]
            yield _line(now, spanned)
        else:
            yield _line(now, widths)


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


def _line(cells, widths):
    aligned = [
        cell.ljust(width) if i in _LEFT else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return _GAP.join(aligned).rstrip()


def _totals(report):
    units, dead = report.output_units, report.dead_outputs
    skipped = [row for row in report.rows if row.skipped]
    yield (
        f"Sparsity {report.sparsity:.4f} of prunable weights "
        f"({report.kept:,} of {report.total:,} kept),"
    )
    yield (
        f"         {report.model_sparsity:.4f} of the whole model "
        f"({report.model_kept:,} of {report.model_total:,} parameters kept)."
    )
    if skipped:
        yield (
            f"Not counted as prunable: {len(skipped)} skipped, with "
            f"{sum(row.total for row in skipped):,} entries."
        )
    yield (
        f"Output units without any weight left: {dead:,} of {units:,} "
        f"({fraction(dead, units):.4f})."
    )
    yield f"Multiply-adds per example: {_multiply_adds(report)}."


def _multiply_adds(report):
    dense, sparse = report.multiply_adds, report.sparse_multiply_adds
    if dense is None:
        return f"n/a ({report.untraced})" if report.untraced else "n/a"
    unknown = sum(row.multiply_adds is None for row in report.rows)
    rest = f", not counting {unknown} marked n/a" if unknown else ""
    return f"{sparse:,} of {dense:,} ({fraction(sparse, dense):.4f}){rest}"


def _dead(dead, units):
    return f"{dead}/{units}" if units else "-"


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
