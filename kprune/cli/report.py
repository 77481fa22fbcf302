"""Tabulates finished runs, and draws accuracy over sparsity.

  kprune report --runs=runs/mnist --out=runs/mnist_report

It reads all directories of runs in and below --runs (several, by commas) and
shows the mean, the standard deviation (n - 1) and the number of runs that
differ in nothing but the seed, beside the figures of the paper that their
config names; --config takes the paper of another config. With --out it writes
report.md, report.csv and a picture for each data set and network, for which it
needs matplotlib: pip install "kprune[plots]".

Sanity checks of a method (--check of kprune train) are rows of their own;
under the table, a sentence on each says whether the method beats it.
--overlaps adds how far the masks of the runs agree, each with each, and draws
it as a heat map.

Runs that are not finished are counted; directories that it cannot read are
named and left out.
"""

import os

from kprune.cli import configs
from kprune.experiment.results import overlaps, report, runs
from kprune.experiment.results.groups import groups
from kprune.experiment.results.sections import sections
from kprune.runtime import files, plots


def define(flags):
    flags.string("config", None, "A config whose paper to take.")
    flags.list("runs", None, "Directories to read.")
    text = "Whether to tell how far the runs' masks agree."
    flags.boolean("overlaps", False, text)
    text = "Directory to write. Without it, all is printed only."
    flags.string("out", None, text)
    flags.require("runs", "DIRECTORY")


def main(flags):
    paper = flags.config and configs.load(flags.config).paper.to_dict()
    found = runs.find(flags.runs, but=flags.out)
    gathered, doubles = groups(found.finished, paper)
    arranged = sections(gathered)
    agreement = {}
    if flags.overlaps:
        agreement = overlaps.overlaps_of(found.finished)
    parts = [report.markdown(section) for section in arranged]
    parts += [overlaps.markdown(*item) for item in agreement.items()]
    text = "\n".join(parts)
    print("\n".join([text, *notes(found, doubles)]))
    if not arranged:
        raise ValueError(f"No finished run in {', '.join(flags.runs)}.")
    if flags.out is not None:
        write(arranged, agreement, text, flags.out)


def notes(found, doubles):
    """Yields a line on each thing that is not in the tables."""
    if found.unfinished:
        yield f"Not finished yet: {len(found.unfinished)} runs."
    for run in doubles:
        yield f"Left out {run.path}: the same run is there twice."
    for path, reason in found.skipped.items():
        yield f"Left out {path}: {reason}."


def write(arranged, agreement, text, out):
    """Writes the tables, and the pictures if that is possible."""
    files.make_directory(out)
    pictures = [] if plots.missing() else draw(arranged, agreement, out)
    if plots.missing():
        print(plots.missing())
    links = "".join(f"\n![{name[:-4]}]({name})\n" for name in pictures)
    files.write_text(os.path.join(out, "report.md"), text + links)
    lines = report.comma_separated(arranged)
    files.write_text(os.path.join(out, "report.csv"), lines)
    names = ", ".join(["report.md", "report.csv", *pictures])
    print(f"{out} holds {names}.")


def draw(arranged, agreement, out):
    """Draws all pictures, and returns the names of their files."""
    pictures = []
    for section in arranged:
        pictures.append(f"{section.dataset}-{section.network}.png")
        path, panel = os.path.join(out, pictures[-1]), report.panel(section)
        plots.draw([panel], path, size=(9, 5.5), legend="right")
    for (dataset, network), found in agreement.items():
        pictures.append(f"overlaps-{dataset}-{network}.png")
        path, title = os.path.join(out, pictures[-1]), f"{network} on {dataset}"
        plots.heat_map(found.names, found.matrix, path, title)
    return pictures
