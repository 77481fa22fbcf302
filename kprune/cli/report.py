"""Tabulates finished runs and plots accuracy over sparsity; reports a model.

  kprune report --runs=runs/mnist --out=runs/mnist_report
  kprune report --workdir=runs/quickstart --html=runs/quickstart.html

It reads all runs in and below --runs (several, separated by commas). It shows
the mean, the standard deviation (n - 1) and the number of runs that differ in
the seed only, beside the results of the paper that their config names; --config
takes the paper of another config. With --out it writes report.md, report.csv
and a figure for each data set and network, which needs matplotlib:
pip install "kprune[plots]".

--markdown, --html and --svg each write one file: tables, a page, or the figures
alone, in which a method has the same colour everywhere. The tables and the page
also compare all pairs of methods at each sparsity: by Welch's test, with Holm's
correction over a table, differences with their 95 % intervals and Hedges' g.
--csv writes the same as report.csv of --out.

Sanity checks of a method (--check of kprune train) have their own rows; under
the table, a sentence on each says whether the method beats it, with Holm's
correction over the list. Fewer than 3 runs of either decide nothing. A table
that compares methods also names those without a shuffled baseline, and how to
add it. --overlaps adds how far the masks of each two runs agree, and draws a
heat map.

It counts unfinished runs, and names and skips directories that it cannot read.

For one model, a file (--model) or that of a run (--workdir), it prints the
sparsity of each weight. --html writes a page of it, with bars, masks, a run's
training curves, and the --candidates that it was chosen from, a JSON file.
"""

import json
import os
import pathlib

from kprune.analysis.report import report as report_of
from kprune.analysis.report import table
from kprune.cli import configs, json_files, model_files
from kprune.experiment import directory
from kprune.experiment.results import (
    comparisons,
    overlaps,
    page,
    report,
    runs,
)
from kprune.experiment.results.groups import groups
from kprune.experiment.results.sections import sections
from kprune.runtime import files, plots

# Files of runs only: the flag, the suffix, and the content.
_FILES = (
    ("csv", ".csv", "Accuracies"),
    ("markdown", ".md", "Tables"),
    ("svg", ".svg", "Figures"),
)


def define(flags):
    flags.string("config", None, "Config whose paper to compare with.")
    flags.list("runs", None, "Directories to read.")
    text = "Whether to report how far the runs' masks agree."
    flags.boolean("overlaps", False, text)
    text = "Directory to write. By default, results are only printed."
    flags.string("out", None, text)
    flags.string("model", None, "Model to report in place of runs, NAME.keras.")
    text = "Run of kprune train to report in place of several runs."
    flags.string("workdir", None, text)
    text = "Page to write of the model or the runs, NAME.html."
    flags.string("html", None, text)
    for name, suffix, what in _FILES:
        text = f"{what} to write of the runs, NAME{suffix}."
        flags.string(name, None, text)
    text = "A JSON file, a list of candidates to show on the page."
    flags.string("candidates", None, text)
    kinds = "--runs=DIRECTORY, --model=NAME.keras or --workdir=DIRECTORY"
    flags.allow_one(["runs", "model", "workdir"], kinds, required=True)


def main(flags):
    """Reports runs, or one model."""
    (of_runs if flags.runs is not None else of_model)(flags)


def of_model(flags):
    """Prints the sparsity of a model, and writes a page on it."""
    for name, *_ in _FILES:
        if getattr(flags, name) is not None:
            raise ValueError(
                f"--{name} goes with runs: --runs=DIRECTORY. Received: one "
                "model"
            )
    path = flags.model or flags.workdir
    found = report_of(model_files.load(path))
    print(table.text(found))
    if flags.html is not None:
        candidates = flags.candidates and json_files.read(flags.candidates)
        curves = _curves(path)
        found.to_html(flags.html, history=curves, candidates=candidates)
        print(f"\n{flags.html} holds the page.")


def _curves(path):
    """Returns the metrics of each epoch of a run, or `None`."""
    path = pathlib.Path(path, directory.METRICS)
    if not path.is_file():
        return None
    return [json.loads(line) for line in path.read_text().splitlines()]


def of_runs(flags):
    """Tabulates runs, and plots them."""
    if flags.candidates is not None:
        raise ValueError(
            "--candidates goes with one model: --model=NAME.keras or "
            "--workdir=DIRECTORY. Received: --runs"
        )
    _check_suffixes(flags)
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
    write_files(arranged, text, flags)


def _check_suffixes(flags):
    """Raises `ValueError` unless each file has the suffix of its flag."""
    for name, suffix, _ in (*_FILES, ("html", ".html", "")):
        path = getattr(flags, name)
        if path is not None and not path.endswith(suffix):
            raise ValueError(
                f"Expected --{name}=NAME{suffix}. Received: {path}"
            )
    if flags.svg is not None and plots.missing():
        raise ValueError(f"--svg cannot be written. {plots.missing()}")


def write_files(arranged, text, flags):
    """Writes each file that a flag asks for."""
    if flags.csv is not None:
        files.write_text(flags.csv, report.comma_separated(arranged))
    if flags.markdown is not None:
        parts = [text]
        for section in arranged:
            found = comparisons.comparisons(section)
            if found:
                title = f"{section.network} on {section.dataset}"
                parts.append(
                    f"## What tells methods apart, {title}\n\n"
                    f"{comparisons.markdown(found)}"
                )
        files.write_text(flags.markdown, "\n".join(parts))
    if flags.html is not None:
        files.write_text(flags.html, page.page(arranged))
    if flags.svg is not None:
        page.draw(arranged, flags.svg)
    for name in ("csv", "markdown", "html", "svg"):
        if getattr(flags, name) is not None:
            print(f"Written: {getattr(flags, name)}")


def notes(found, doubles):
    """Yields a line on unfinished runs, and on each run that is left out."""
    if found.unfinished:
        yield f"Not finished yet: {len(found.unfinished)} runs."
    for run in doubles:
        yield f"Left out {run.path}: the same run is there twice."
    for path, reason in found.skipped.items():
        yield f"Left out {path}: {reason}."


def write(arranged, agreement, text, out):
    """Writes the tables, and the figures if matplotlib is installed."""
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
    """Draws all figures, and returns the names of their files."""
    pictures = []
    for section in arranged:
        pictures.append(f"{section.dataset}-{section.network}.svg")
        path, panel = os.path.join(out, pictures[-1]), report.panel(section)
        plots.draw([panel], path, size=(9, 5.5), legend="right")
    for (dataset, network), found in agreement.items():
        pictures.append(f"overlaps-{dataset}-{network}.svg")
        path, title = os.path.join(out, pictures[-1]), f"{network} on {dataset}"
        plots.heat_map(found.names, found.matrix, path, title)
    return pictures
