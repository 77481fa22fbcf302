"""Sections of runs as Markdown to read and as CSV to compute with."""

import csv
import io

_COLUMNS = (
    "dataset",
    "network",
    "method",
    "sparsity",
    "n",
    "mean",
    "std",
    "paper_mean",
    "paper_std",
    "paper_n",
)


def markdown(section):
    """Returns a section as a heading, a sentence and a table.

    Args:
        section: `comparison.sections.Section`.
    """
    sparsities = section.sparsities
    lines = [
        ["method", *(_column(sparsity) for sparsity in sparsities)],
        ["---", *("---:" for _ in sparsities)],
    ]
    tell = len(section.counts) > 1
    for row in section.rows:
        found = [_cell(row.measured.get(s), tell) for s in sparsities]
        lines.append([row.name, *found])
        if row.paper:
            found = [_as_printed(row.paper.get(s)) for s in sparsities]
            lines.append([f"{row.name}: paper", *found])
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    heading = f"## {section.network} on {section.dataset}"
    return f"{heading}\n\n{_caption(section, tell)}\n\n{table}\n"


def comma_separated(sections):
    """Returns all sections as one CSV, a line for each figure.

    Accuracies are in percent. What is not known is empty.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for section in sections:
        for row in section.rows:
            for sparsity in sorted({**row.measured, **row.paper}):
                place = [section.dataset, section.network, row.name, sparsity]
                measured = row.measured.get(sparsity)
                paper = row.paper.get(sparsity)
                writer.writerow(
                    [
                        *place,
                        measured and measured.n,
                        *_numbers(measured),
                        *_numbers(paper),
                        paper and paper.n,
                    ]
                )
    return text.getvalue()


def percent(sparsity):
    """Returns a sparsity as a text such as `"99.5 %"`."""
    return f"{100 * sparsity:.6g} %"


def _caption(section, tell):
    found = section.settings
    text = "Test accuracy in %, by sparsity"
    if section.counts[-1] > 1:
        text += ": mean ± standard deviation (n - 1), "
        number = f"n = {section.counts[0]}"
        text += "with n in parentheses" if tell else number
    seeds = ", ".join(map(str, section.seeds))
    text += f"; seed{'s' if len(section.seeds) > 1 else ''} {seeds}"
    how = []
    if "training.epochs" in found:
        how.append(f"{found['training.epochs']} epochs")
    if {"training.optimizer", "training.learning_rate"} <= set(found):
        optimizer = found["training.optimizer"]
        how.append(f"{optimizer} at {found['training.learning_rate']:g}")
    if "dataset.batch_size" in found:
        how.append(f"batches of {found['dataset.batch_size']}")
    text += f"; {', '.join(how)}." if how else "."
    if section.sources and any(row.paper for row in section.rows):
        text += f" Paper: {'; '.join(section.sources)}."
    return text


def _column(sparsity):
    return percent(sparsity) if sparsity else "dense"


def _cell(figure, tell):
    if figure is None:
        return ""
    text = f"{figure.mean:.2f}"
    if figure.std is not None:
        text += f" ± {figure.std:.2f}"
    return f"{text} ({figure.n})" if tell else text


def _as_printed(figure):
    """Returns a paper's figure with the digits it has there."""
    if figure is None:
        return ""
    std = "" if figure.std is None else f" ± {figure.std:g}"
    return f"{figure.mean:g}{std}"


def _numbers(figure):
    """Returns mean and deviation to the digits that mean something."""
    if figure is None:
        return None, None
    std = None if figure.std is None else round(figure.std, 4)
    return round(figure.mean, 4), std
