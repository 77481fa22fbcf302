"""Formats the totals below a report's table."""

import textwrap

from kprune.analysis.report.row import fraction


def lines(report, line_length):
    """Yields the lines, a warning of layer collapse first.

    Args:
        report: A `Report`.
        line_length: Width to fold that warning to, in characters.
    """
    for line in collapse(report):
        yield from _folded(line, line_length)
    yield (
        f"Sparsity {report.sparsity:.4f} of prunable weights "
        f"({report.kept:,} of {report.total:,} kept),"
    )
    if report.effective_kept is not None:
        yield (
            f"         {report.effective_sparsity:.4f} effective "
            f"({report.effective_kept:,} kept on a path from input to output),"
        )
    yield (
        f"         {report.model_sparsity:.4f} of the whole model "
        f"({report.model_kept:,} of {report.model_total:,} parameters kept)."
    )
    if report.unfollowed is not None:
        yield f"Effective sparsity: n/a ({report.unfollowed})."
    yield from _counted(report)
    yield from _compared(report)


def collapse(report):
    """Yields a warning that names the weights that keep nothing, if any."""
    if report.collapsed:
        counted = sum(row.counts for row in report.rows)
        names = ", ".join(report.collapsed)
        yield (
            f"Layer collapse: {len(report.collapsed)} of {counted} weights "
            f"keep nothing: {names}."
        )


def _folded(line, line_length):
    return textwrap.wrap(
        line,
        line_length,
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _counted(report):
    skipped = [row for row in report.rows if not row.counts]
    if skipped:
        yield (
            f"Not counted as prunable: {len(skipped)} skipped, with "
            f"{sum(row.total for row in skipped):,} entries."
        )
    units, dead = report.output_units, report.dead_outputs
    yield (
        f"Output units without any weight left: {dead:,} of {units:,} "
        f"({fraction(dead, units):.4f})."
    )
    if report.effective_outputs is not None:
        yield from _on_paths(report)
    yield f"Multiply-adds per example: {_multiply_adds(report)}."


def _on_paths(report):
    parts = [f"{report.effective_outputs:,} of {report.output_units:,} units"]
    if report.kernels:
        parts.append(
            f"{report.effective_kernels:,} of {report.kernels:,} kernels"
        )
    ways = "" if report.effective_paths is None else f"; {paths(report)} paths"
    yield f"On a path from input to output: {', '.join(parts)}{ways}."


def paths(report):
    """Formats the number of paths: 9,408, or 2.36e+08 from a million on."""
    number = report.effective_paths
    return f"{number:,}" if number < 1e6 else f"{number:.3g}"


def _multiply_adds(report):
    dense, sparse = report.multiply_adds, report.sparse_multiply_adds
    if dense is None:
        return f"n/a ({report.untraced})" if report.untraced else "n/a"
    unknown = sum(row.multiply_adds is None for row in report.rows)
    rest = f", not counting {unknown} marked n/a" if unknown else ""
    return f"{sparse:,} of {dense:,} ({fraction(sparse, dense):.4f}){rest}"


def _compared(report):
    if report.overlap is not None:
        yield (
            f"Mask overlap: {report.overlap:.4f} of what either mask keeps, "
            "both keep."
        )
    if report.saliency is not None:
        yield (
            f"Saliency kept: {report.saliency:.4g}, with a gradient of norm "
            f"{report.gradient_norm:.4g}."
        )
