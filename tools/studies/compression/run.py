"""Compresses trained networks to several targets, beside plainer ways.

  python tools/studies/run.py compression --workdir=runs/compression
  python tools/studies/run.py compression --workdir=runs/quick --quick

Each network is trained, and compressed by kprune.compress to each target. From
the same network, to the same size and with the same number of epochs, go

    one-shot   pruned at once in the same way, then fine-tuned
    GMP        pruned while it is fine-tuned, on the cubic schedule

Candidates are selected on images held out of the training set; accuracies are
those of the test set, in points below the trained network. The files of a model
that meets a target of time are measured once more, by kprune.compare. Each cell
(network, seed, target) is kept, and killed ones go on. What is printed is
Markdown; a figure shows the candidates. Where no candidate is within the
budget, there is no size to compare at.
"""

import os

from compression import results
from compression.networks import NETWORKS
from compression.subject import TARGETS, Subject
from kprune.cli.flags import define_data_dir
from kprune.runtime import lookup, plots


def define(flags):
    flags.list("networks", list(NETWORKS), f"Of {', '.join(NETWORKS)}.")
    flags.list("targets", list(TARGETS), f"Of {', '.join(TARGETS)}.")
    flags.list("seeds", ["0", "1", "2"], "Of weights and order of the data.")
    define_data_dir(flags)
    flags.string("workdir", None, "Directory of all cells.")
    flags.require("workdir", "DIRECTORY")
    flags.integer("epochs", 20, "Of the training of a network.", least=1)
    flags.integer("finetune", 2, "Epochs of each candidate.", least=1)
    text = "Steps of such an epoch; by default, a pass over the images."
    flags.integer("steps", None, text, least=1)
    flags.integer("batch_size", 128, "Images in a batch.", least=1)
    text = "Points of accuracy that may be lost on the images held out."
    flags.float("max_drop", 1.0, text)
    text = "Whether to run a small form: digits, an epoch, one seed."
    flags.boolean("quick", False, text)


def main(flags):
    for name in flags.networks:
        lookup.choose(name, NETWORKS, "network")
    for target in flags.targets:
        lookup.choose(target, TARGETS, "target")
    seeds = flags.seeds[:1] if flags.quick else flags.seeds
    rows = []
    for name in flags.networks:
        for seed in map(int, seeds):
            subject = Subject(flags, name, seed)
            for target in flags.targets:
                rows.append(subject.cell(target))
    print(results.table(rows))
    again = results.times(rows)
    if again is not None:
        print(f"\nShare of the time in LiteRT:\n\n{again}")
    _draw(flags, rows)


def _draw(flags, rows):
    """Draws the candidates."""
    if plots.missing():
        print(plots.missing())
        return
    path = os.path.join(flags.workdir, "compression.svg")
    panels, look = results.panels(rows), {"columns": 3, "size": (4, 3)}
    plots.draw(panels, path, legend="below", **look)
    print(f"Drawn: {path}")
