"""Formats a report as a table."""

import sys
from collections.abc import Callable
from typing import Any

import keras
from absl import logging

from kprune.analysis.report import totals
from kprune.analysis.report.measure import report
from kprune.runtime import checks, tables
from kprune.runtime.doors import checked
from kprune.runtime.types import Data, Loss, Masks, Model

_WORDS = ("Weight", "Shape", "Not pruned")


@checked(
    inputs=None,
    against=checks.optional(checks.model_or_masks),
    print_fn=checks.optional(checks.of_function(1, "a line")),
    line_length=checks.at_least(1),
)
def summary(
    model: Model,
    print_fn: Callable[[str], Any] | None = None,
    line_length: int = 100,
    inputs: Any = None,
    multiply_adds: bool = True,
    *,
    paths: bool = True,
    against: Model | Masks | None = None,
    data: Data | None = None,
    loss: Loss | None = None,
    batches: int | None = None,
) -> None:
    """Prints how sparse a model is: a row for each weight, then totals.

    A row shows the entries kept, how many of them lie on a path from an input
    to an output, the dead input and output units (dead/all), the multiply-adds
    for one example (with the kept entries/dense), and why the weight was not
    pruned. With `against` there is a column for the overlap, and with `data`
    one for the share of the saliency.

    Args:
        model: A built Keras model, wrapped or not. It is not modified.
        print_fn: Function that is called once with the whole text, as in
            Keras' `Model.summary`. Defaults to writing to `sys.stdout`, or to
            the log after `keras.config.disable_interactive_logging()`.
        line_length: Integer >= 1, the width of the table in characters. Long
            names are folded to fit.
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
    """Formats the table and totals of a report, without colours.

    Args:
        report: A `Report`.
        line_length: Width of the table in characters; long names are folded.
    """
    names, cells = zip(*_columns(report), strict=True)
    rows = [[cell(row) for cell in cells] for row in report.rows]
    words = [i for i, name in enumerate(names) if name in _WORDS]
    table = tables.terminal(names, rows, words, line_length)
    below = totals.lines(report, line_length)
    return "\n".join([f'Model: "{report.model}"', table, *below])


def _write(message):
    sys.stdout.write(f"{message}\n")


def _columns(report):
    """Yields (name, function from a row to its cell) of each column that has
    something to show."""
    yield "Weight", lambda row: row.name
    yield "Shape", lambda row: "x".join(map(str, row.shape))
    yield "Kept", lambda row: f"{row.kept:,}"
    if report.unfollowed is None:
        yield "On path", lambda row: f"{row.effective_kept:,}"
    yield (
        "Sparsity",
        lambda row: _fraction(row.sparsity if row.counts else None),
    )
    yield "Dead in", lambda row: _dead(row, "input")
    yield "Dead out", lambda row: _dead(row, "output")
    if report.untraced is None:
        yield "Mult-adds", _multiply_adds
    if report.overlap is not None:
        yield "Overlap", lambda row: _fraction(row.overlap)
    if report.saliency is not None:
        yield "Saliency", lambda row: _fraction(row.saliency)
    if not all(row.counts for row in report.rows):
        yield "Not pruned", lambda row: row.skipped or ""


def _fraction(number):
    return "" if number is None else f"{number:.4f}"


def _dead(row, side):
    if not row.counts:
        return ""
    units = getattr(row, f"{side}_units")
    return f"{getattr(row, f'dead_{side}s')}/{units}" if units else "-"


def _multiply_adds(row):
    adds = _short(row.multiply_adds)
    if row.sparse_multiply_adds != row.multiply_adds:
        return f"{_short(row.sparse_multiply_adds)}/{adds}"
    return adds


def _short(number):
    """Formats a number, from 10,000 on with three digits: 9,408, 2.36M."""
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
