"""What studies and searches share: their flags, and the end of their output."""

import os

from kprune.cli.flags import define_config, define_data_dir
from kprune.experiment.results import study


def define(flags, seeds=None):
    """Defines the flags that say what to run, and where.

    Args:
        flags: `kprune.cli.flags.Flags`.
        seeds: Default of `--seeds`; `None` for those of the config.
    """
    define_config(flags)
    define_data_dir(flags)
    flags.string("runs", None, "Directory of all results.")
    flags.list("seeds", seeds, "Whole numbers. Default to those of the config.")
    flags.require("runs", "DIRECTORY")


def define_variants(flags):
    """Defines `--variants`."""
    flags.list(
        "variants", None, "Which variants to run. Default to all there are."
    )


def main(flags, kinds, example):
    """Runs the study that `--config` describes, and shows what it comes to.

    Args:
        flags: Those of `define` and `define_variants`, parsed.
        kinds: Dict from a kind's name to a `kprune.experiment.results.study`
            `Kind`.
        example: Path of a config that fits, for the error.
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
    """Prints a report, and writes it with its figure to files.

    Args:
        text, base, draw: As for `kprune.experiment.results.study.publish`.
    """
    print(f"\n{text}\n")
    for line in study.publish(text, base, draw):
        print(line)


def _tell(name, result):
    print(
        f"{name}: {result['seconds']:.0f} s, peak of the process "
        f"{result['peak_gigabytes']:.1f} GiB",
        flush=True,
    )
