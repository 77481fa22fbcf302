"""Draws the figures of the docs that show a table of the docs.

    python tools/figures.py

Each is drawn in a light and a dark version from the table in the docs, whose
numbers come from the command beside it. The package's extra `plots` installs
matplotlib.
"""

import dataclasses
import pathlib
import re

from absl import app

from kprune.runtime import plots

_DOCS = pathlib.Path(__file__).parents[1] / "docs"
# The figure of accuracy over sparsity: the page, the heading above its table,
# and the rows to draw with their names in the legend.
_AXIS = (
    _DOCS / "reproductions" / "tickets.md",
    "## After training and before, on one axis",
    {
        "`ltr`": "lottery tickets, rewound",
        "`magnitude_after_training`": "magnitude, after training",
        "`force`": "FORCE",
        "`snip`": "SNIP",
        "`synflow`": "SynFlow",
        "`magnitude`": "magnitude, before",
        "`random`": "random",
    },
)


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of a table: sparsities in percent, means and deviations."""

    name: str
    sparsity: list
    mean: list
    deviation: list


def rows(page, heading, names):
    """Reads rows of the first table after a heading of a page.

    Args:
        page: Path of a Markdown page.
        heading: String, the line of the heading.
        names: List of strings, the first cells of the rows to read, in order.

    Returns:
        List of `Row`. Cells without a mean and deviation are left out.

    Raises:
        ValueError: If there is no such table or row.
    """
    text = page.read_text()
    start = text.find(f"{heading}\n")
    table = re.search(r"(?:^\|.*\n)+", text[max(start, 0) :], re.M)
    if start < 0 or table is None:
        raise ValueError(f"{page} has no table behind {heading!r}.")
    lines = [_cells(line) for line in table[0].splitlines()]
    head, cells = lines[0], {line[0]: line for line in lines[2:]}
    missing = [name for name in names if name not in cells]
    if missing:
        raise ValueError(f"{page} has no row of {', '.join(missing)}.")
    return [_row(head, cells[name]) for name in names]


def draw(found, labels, path, dark):
    """Draws accuracy over the share of weights left.

    Args:
        found: List of `Row`.
        labels: Dict from the rows' names to their names in the legend.
        path: Path of the file to write.
        dark: Whether the figure is for a dark page.
    """
    lines = [
        plots.Line(
            [100 - s for s in row.sparsity],
            row.mean,
            labels[row.name],
            spread=row.deviation,
        )
        for row in found
    ]
    left = sorted({100 - s for row in found for s in row.sparsity})
    panel = plots.Panel(
        lines,
        xlabel="weights left, % (LeNet-300-100 on MNIST, dense 97.4 %)",
        ylabel="test accuracy, %",
        log="x",
        inverted="x",
        xticks={share: f"{share:g}" for share in left},
        ylimits=(80, 99),
    )
    plots.draw([panel], path, legend="right", size=(7.6, 3.4), dark=dark)


def _cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _row(head, cells):
    pairs = [
        (float(title.rstrip(" %")), *map(float, cell.split("±")))
        for title, cell in zip(head[1:], cells[1:], strict=True)
        if "±" in cell and title.endswith("%")
    ]
    return Row(cells[0], *map(list, zip(*pairs, strict=True)))


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected argument: {argv[1]!r}.")
    if plots.missing():
        raise app.UsageError(plots.missing())
    page, heading, labels = _AXIS
    found = rows(page, heading, labels)
    for dark, end in ((False, "light"), (True, "dark")):
        path = _DOCS / "figures" / f"accuracy_over_sparsity_{end}.svg"
        draw(found, labels, path, dark)
        print(path.relative_to(_DOCS.parent))


if __name__ == "__main__":
    app.run(main)
