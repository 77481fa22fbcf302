"""Searches for lottery tickets and tests them against baselines.

  kprune tickets --config=lottery_ticket --runs=runs/tickets

It runs iterative magnitude pruning with rewinding, for several seeds. At chosen
levels it also trains two baselines in the same way as the ticket:

  reinitialized  the ticket's masks on weights drawn anew
  shuffled       the ticket's weights under masks permuted within each layer

Under --runs each seed has a directory with its search and a JSON file for each
result; the same command resumes where it was stopped, and trains nothing twice.
At the end it prints and writes a table and verdicts, and draws a plot if
matplotlib is installed. `config.paper.tickets` describes the search: the levels
of one search, or sparsities, each of which is a search of one level.

kprune report also reads --runs, and shows the tickets beside methods that prune
before training.
"""

import functools
import os

from kprune import experiment
from kprune.cli import studies
from kprune.experiment.tickets import tables, trainings
from kprune.runtime import plots

define = studies.define


def main(flags):
    wanted = wanted_of(flags.config)
    found = {}
    for seed in flags.seeds or wanted["seeds"]:
        dense = dense_of(flags.config, int(seed))
        name = f"{experiment.name(dense)}-{wanted['name']}"
        directory = os.path.join(flags.runs, name)
        found[dense.seed] = trainings.all_of(
            dense, wanted, directory, flags.data_dir, tell
        )
    panels = [tables.panel(found)]
    base = os.path.join(flags.runs, wanted["name"])
    draw = functools.partial(plots.draw, panels)
    studies.show(tables.report(found), base, draw)


def wanted_of(config):
    """Returns `config.paper.tickets`, which describes the search.

    Raises:
        ValueError: If the config has none.
    """
    wanted = config.paper.to_dict().get("tickets")
    if wanted is None:
        raise ValueError(
            "Expected a config with `paper.tickets`, such as "
            "configs/lottery_ticket.py."
        )
    return wanted


def dense_of(config, seed):
    """Returns the config of the dense network that a search starts from."""
    changed = {"seed": seed, "pruner": {"method": "dense"}}
    return experiment.complete({**config.to_dict(), **changed})


def tell(seed, level, variant, result):
    print(
        f"seed {seed}, level {level:2d}, {100 * result['sparsity']:5.2f} % "
        f"pruned, {variant}: {100 * result['accuracy']:.2f} %, "
        f"{result['seconds']:.0f} s",
        flush=True,
    )
