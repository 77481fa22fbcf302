"""Tabulates finished runs, and draws accuracy over sparsity.

  python tools/report.py --runs=runs/mnist --out=runs/mnist_report

It reads all directories of runs in and below --runs (several, by commas) and
shows the mean, the standard deviation (n - 1) and the number of runs that
differ in nothing but the seed, beside the figures of the paper that their
config names; --config takes the paper of another config. With --out it writes
report.md, report.csv and a picture for each data set and network, for which it
needs matplotlib: pip install "kprune[plots]".

Sanity checks of a method (--check of tools/train.py) are rows of their own;
under the table, a sentence on each says whether the method beats it.
--overlaps adds how far the masks of the runs agree, each with each, and draws
it as a heat map.

Runs that are not finished are counted; directories that it cannot read are
named and left out.
"""

import glob
import os

import command_line
import drawing
import runs
from absl import app, flags
from comparison import overlaps, plot, tables, verdicts
from comparison.groups import groups
from comparison.sections import sections
from ml_collections.config_flags import config_flags

from kprune import experiment
from kprune.experiment import directory
from kprune.runtime import lookup

_CONFIG = flags.DEFINE_string(
    "config", None, "A config whose paper to take, configs/NAME.py."
)
_RUNS = flags.DEFINE_list("runs", None, "Directories to read.")
_OVERLAPS = flags.DEFINE_boolean(
    "overlaps", False, "Whether to tell how far the runs' masks agree."
)
_OUT = flags.DEFINE_string(
    "out", None, "Directory to write. Without it, all is printed only."
)
flags.register_validator(
    "runs", lambda value: bool(value), "Expected --runs=DIRECTORY"
)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected argument: {argv[1]!r}.")
    with command_line.errors_in_words():
        found = runs.find(_RUNS.value, but=_OUT.value)
        gathered, doubles = groups(found.finished, paper_of(_CONFIG.value))
        arranged = sections(gathered)
        agreement = overlaps.of(found.finished) if _OVERLAPS.value else {}
        text = "\n".join(
            [
                *(format_(section) for section in arranged),
                *(overlaps.text(*item) for item in agreement.items()),
            ]
        )
        print("\n".join([text, *notes(found, doubles)]))
        if not arranged:
            raise ValueError(f"No finished run in {', '.join(_RUNS.value)}.")
        if _OUT.value is not None:
            write(arranged, agreement, text, _OUT.value)


def format_(section):
    """Returns the table of a section, and the verdicts under it."""
    lines = [f"- {line}\n" for line in verdicts.sentences(section)]
    table = tables.markdown(section)
    return "\n".join([table, "".join(lines)]) if lines else table


def paper_of(path):
    """Returns what a config says of its paper, or `None` without a path."""
    if path is None:
        return None
    file = path.split(":")[0]
    if not os.path.isfile(file):
        there = glob.glob(os.path.join(os.path.dirname(file), "*.py"))
        raise ValueError(lookup.unknown(file, there, "config"))
    config = config_flags.ConfigFileFlagParser("config").parse(path)
    return experiment.complete(config).paper.to_dict()


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
    os.makedirs(out, exist_ok=True)
    pictures = []
    if drawing.missing():
        print(drawing.missing())
    else:
        for section in arranged:
            name = f"{section.dataset}-{section.network}.png"
            plot.draw(section, os.path.join(out, name))
            pictures.append(name)
        for place, found in agreement.items():
            name = f"overlaps-{'-'.join(place)}.png"
            overlaps.draw(place, found, os.path.join(out, name))
            pictures.append(name)
    links = "".join(f"\n![{name[:-4]}]({name})\n" for name in pictures)
    directory.write_text(os.path.join(out, "report.md"), text + links)
    lines = tables.comma_separated(arranged)
    directory.write_text(os.path.join(out, "report.csv"), lines)
    files = ", ".join(["report.md", "report.csv", *pictures])
    print(f"{out} holds {files}.")


if __name__ == "__main__":
    app.run(main, flags_parser=command_line.parse)
