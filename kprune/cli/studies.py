"""Flags and output that studies, searches and sweeps share."""

import os

from kprune.cli.flags import define_config, define_data_dir
from kprune.experiment.results import study


def define(flags, seeds=None):
    """Defines the flags for a config, its seeds, and directories.

    `seeds` is the default of `--seeds`; `None` takes those of the config.
    """
    define_config(flags)
    define_data_dir(flags)
    flags.string("runs", None, "Directory of all results.")
    flags.list("seeds", seeds, "Whole numbers. Default to those of the config.")
    flags.require("runs", "DIRECTORY")


def define_study(flags):
    """Defines the flags of a study: those of `define`, and `--variants`."""
    define(flags)
    text = "Which variants to run. Default to all there are."
    flags.list("variants", None, text)


def main(flags, kinds, example):
    """Runs the study that `--config` describes, and shows its results.

    Args:
        flags: The flags of `define_study`, parsed.
        kinds, example: As for `study.experiment_of`.
    """
    experiment = study.experiment_of(flags.config, kinds, example)
    kind = kinds[experiment["kind"]]
    found = study.run(
        flags.config,
        kind,
        experiment,
        *study.chosen(experiment, flags.variants, flags.seeds),
        flags.runs,
        flags.data_dir,
        _tell,
    )
    text = kind.report(experiment, found)
    draw = kind.draw and (lambda path: kind.draw(experiment, found, path))
    base = os.path.join(flags.runs, experiment["name"])
    show(text, base, draw)


def show(text, base, draw=None):
    """Prints a report, and writes it with its figure by `study.publish`."""
    print(f"\n{text}\n")
    print("\n".join(study.publish(text, base, draw)))


def _tell(name, result):
    print(
        f"{name}: {result['seconds']:.0f} s, peak of the process "
        f"{result['peak_gigabytes']:.1f} GiB",
        flush=True,
    )
