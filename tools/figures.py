"""Draws the figures of the docs that take less than five minutes.

    python tools/figures.py

Most show a table of the docs, whose numbers come from the command beside it.
Others are written by the commands beside them, which are run here: they take
two minutes and need MNIST (TFDS_DATA_DIR is where it lies). The site makes
versions for dark pages; that of the README, which GitHub shows, is made here.
The package's extra `plots` installs matplotlib.
"""

import dataclasses
import os
import pathlib
import re
import subprocess
import sys

from absl import app

from kprune.runtime import files, palette, plots

_DOCS = pathlib.Path(__file__).parents[1] / "docs"
_PAGES = _DOCS / "reproductions"
_FRONT = _DOCS / "figures/accuracy_over_sparsity"
_AXIS = "## After training and before, on one axis"
# From a figure to the file that the commands beside it write.
_WRITTEN = {
    _PAGES / "overlaps.svg": (
        "runs/overlaps_report/overlaps-mnist-lenet_300_100.svg"
    )
}
# What the docs call the methods whose names are not those of the tables.
_METHODS = {
    "ltr": "lottery tickets, rewound",
    "magnitude_after_training": "magnitude, after training",
    "force": "FORCE",
    "snip": "SNIP",
    "synflow": "SynFlow",
    "magnitude": "magnitude, before",
    "random": "random",
}
# The rows of OSSuM's tables, and the methods whose colours they have.
_OSSUM = {
    "OSSuM": "ossum",
    "Linear OSSuM": "linear_ossum",
    "Log OSSuM": "log_ossum",
    "norm": "neuron_norm",
    "random": "random",
    "coreset": "coreset",
    "gradient supermask": "supermask",
}
_DEEP = {
    "OSSuM + norm": "ossum",
    "Linear OSSuM + norm": "linear_ossum",
    "Log OSSuM + norm": "log_ossum",
    "OSSuM + PAB": "pab",
    "Linear OSSuM + PAB": "linear_pab",
    "norm": "neuron_norm",
    "random": "random",
}


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
    head, lines = table(page.read_text(), f"{heading}\n", page)
    cells = {line[0]: line for line in lines}
    missing = [name for name in names if name not in cells]
    if missing:
        raise ValueError(f"{page} has no row of {', '.join(missing)}.")
    return [_row(head, cells[name]) for name in names]


def panel(found, **options):
    """Returns a `Panel` of accuracy over the share of weights left.

    Args:
        found: Dict from a method's name in the legend to its `Row`.
        **options: Those of `plots.Panel`.
    """
    looks = palette.looks(row.name.strip("`") for row in found.values())
    lines = [
        plots.Line(
            [100 - s for s in row.sparsity],
            row.mean,
            label,
            spread=row.deviation,
            look=look,
        )
        for (label, row), look in zip(
            found.items(), looks.values(), strict=True
        )
    ]
    left = sorted({100 - s for row in found.values() for s in row.sparsity})
    axes = {
        "xlabel": "weights left, % (LeNet-300-100 on MNIST, dense 97.4 %)",
        "ylabel": "test accuracy, %",
        "xticks": {share: f"{share:g}" for share in left},
    }
    return plots.Panel(lines, log="x", inverted="x", **{**axes, **options})


def levels(page, heading):
    """Returns a `Panel` of the table of a search for tickets.

    Its rows are levels, and its columns what is trained at each.
    """
    head, lines = table(page.read_text(), f"{heading}\n", page)
    looks = palette.looks(head[2:])
    drawn = []
    for column, variant in enumerate(head[2:], 2):
        cells = [line for line in lines if line[column]]
        left = [100 - float(line[1]) for line in cells]
        mean, deviation = _numbers([line[column] for line in cells])
        look = {**looks[variant], "linestyle": "-"}
        line = plots.Line(left, mean, variant, spread=deviation, look=look)
        drawn.append(line)
    ticks = {share: f"{share}" for share in (100, 50, 20, 10)}
    axes = "", "weights left, %", "test accuracy, %"
    return plots.Panel(drawn, *axes, log="x", inverted="x", xticks=ticks)


def neurons(page, heading, names, title=""):
    """Returns a `Panel` of a table of accuracies over neurons kept."""
    head, lines = table(page.read_text(), heading, page)
    places = [i for i, cell in enumerate(head) if cell[:1].isdigit()]
    kept = [int(head[i].replace(",", "")) for i in places]
    cells, looks = (
        {line[0]: line for line in lines},
        palette.looks(names.values()),
    )
    drawn = []
    for name, method in names.items():
        if name not in cells:
            continue  # The supermask was not trained on CIFAR-10.
        mean, deviation = _numbers([cells[name][i] for i in places])
        drawn.append(
            plots.Line(
                kept, mean, name, deviation, band=True, look=looks[method]
            )
        )
    axes = title, "neurons kept", "test accuracy, %"
    return plots.Panel(drawn, *axes, log="x")


def table(text, start, page):
    """Returns the head and the rows of the first table after `start`.

    Raises:
        ValueError: If there is none.
    """
    place = text.find(start)
    found = re.search(r"(?:^\|.*\n)+", text[max(place, 0) :], re.M)
    if place < 0 or found is None:
        raise ValueError(f"{page} has no table behind {start.strip()!r}.")
    head, _, *lines = map(_cells, found[0].splitlines())
    return head, lines


def drawings():
    """Returns the figures: a dict from a path, without ending, to its panels
    and the options of `plots.draw`."""
    mnist, tickets = _PAGES / "mnist.md", _PAGES / "tickets.md"
    ossum = _PAGES / "ossum.md"
    axis = rows(tickets, _AXIS, [f"`{name}`" for name in _METHODS])
    first = "# Every method on MNIST"
    seven = dict(zip(_METHODS.values(), axis, strict=True))
    both = _by_name(tickets, _AXIS)
    wide = {"legend": "right", "size": (7.6, 3.4)}
    low = {"ylimits": (80, 99)}
    untrained = re.findall(r"^\*\*(.* FC-1\d+)\*\*", ossum.read_text(), re.M)
    deep = [f"{data}, FC-1000-1000-1000" for data in ("MNIST", "CIFAR-10")]
    return {
        _FRONT: ([panel(seven, **low)], wide),
        _PAGES / "one_axis": ([panel(both)], wide),
        _PAGES / "mnist_lenet_300_100": (
            [panel(_by_name(mnist, first))],
            wide,
        ),
        _PAGES / "tickets": (
            [levels(tickets, "## LeNet-300-100 on MNIST")],
            wide,
        ),
        _PAGES / "ossum_two_layers": (
            [neurons(ossum, f"**{t}**", _OSSUM, t) for t in untrained],
            {"legend": "below", "size": (4.6, 3.4)},
        ),
        _PAGES / "ossum_deep": (
            [neurons(ossum, f"**{t}**", _DEEP, t) for t in deep],
            {"legend": "below", "size": (4.6, 3.4)},
        ),
    }


def commands(figure):
    """Returns the commands beside a figure on a page of its folder.

    Raises:
        ValueError: If no page shows it below a block of commands.
    """
    block = r"^```\n((?:(?!^```).)*)^```\n\n!\[[^]]*\]"
    for page in sorted(figure.parent.glob("*.md")):
        text, link = page.read_text(), re.escape(f"({figure.name})")
        found = re.search(block + link, text, re.M | re.S)
        if found:
            return found[1]
    raise ValueError(f"No page shows {figure.name} below its commands.")


def run(figure, written):
    """Runs the commands beside a figure, and keeps the file they write."""
    here = str(pathlib.Path(sys.executable).parent)
    path = os.pathsep.join([here, os.environ["PATH"]])
    with files.scratch_directory() as place:
        subprocess.run(
            ["bash", "-e", "-c", commands(figure)],
            cwd=place,
            env={**os.environ, "PATH": path},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        text = pathlib.Path(place, written).read_text()
    files.write_text(figure, text)


def _by_name(page, heading):
    """Returns all rows but the dense network's, by their methods' names."""
    _, lines = table(page.read_text(), f"{heading}\n", page)
    names = [line[0] for line in lines if line[0] != "dense"]
    found = rows(page, heading, names)
    return {row.name.strip("`"): row for row in found}


def _numbers(cells):
    """Returns the means and the deviations of cells such as `"1.0 ± 0.2"`."""
    pairs = [map(float, cell.split("±")) for cell in cells]
    return map(list, zip(*pairs, strict=True))


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
    for path, (panels, options) in drawings().items():
        plots.draw(panels, path.with_suffix(".svg"), **options)
        print(path.relative_to(_DOCS.parent).with_suffix(".svg"))
    for path, written in _WRITTEN.items():
        run(path, written)
        print(path.relative_to(_DOCS.parent))
    dark = plots.dark(_FRONT.with_suffix(".svg").read_text())
    files.write_text(_FRONT.with_name(f"{_FRONT.name}_dark.svg"), dark)


if __name__ == "__main__":
    app.run(main)
