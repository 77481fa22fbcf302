"""Searches for lottery tickets, and sees whether they are any.

  python tools/find_ticket.py --config=configs/tickets/mnist_lenet.py \\
      --runs=runs/tickets

Iterative magnitude pruning with rewinding, for several seeds, and of chosen
levels two baselines that are trained as the ticket is:

  reinitialized  the ticket's masks on weights drawn anew
  shuffled       the ticket's weights under masks permuted within each layer

Under --runs each seed has a directory with its search and a JSON file for each
result; the same command goes on where it was stopped, and trains nothing twice.
At the end come a table, a verdict, and a plot, if matplotlib is installed; they
are also written there. What is searched for stands in `config.paper.tickets`:
levels of one search, or sparsities of which each is a search of one level.

tools/report.py reads --runs too, and puts the tickets beside methods that prune
before training.
"""

import os

import command_line
import drawing
from absl import app, flags
from lottery import figures, tables, trainings

from kprune import experiment

_CONFIG = command_line.define_config()
_DATA_DIR = command_line.define_data_dir()
_RUNS = flags.DEFINE_string("runs", None, "Directory of all results.")
_SEEDS = flags.DEFINE_list(
    "seeds", None, "Whole numbers. Default to those of the config."
)
flags.mark_flag_as_required("runs")


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected argument: {argv[1]!r}.")
    config = _CONFIG.value
    found = {}
    with command_line.errors_in_words():
        wanted = wanted_of(config)
        for seed in _SEEDS.value or wanted["seeds"]:
            dense = dense_of(config, int(seed))
            name = f"{experiment.name(dense)}-{wanted['name']}"
            directory = os.path.join(_RUNS.value, name)
            found[dense.seed] = trainings.all_of(
                dense, wanted, directory, _DATA_DIR.value, tell
            )
    text = tables.report(found)
    print(f"\n{text}")
    base = os.path.join(_RUNS.value, wanted["name"])
    with open(f"{base}.md", "w") as file:
        file.write(f"{text}\n")
    print(f"\nWritten: {base}.md")
    if drawing.missing():
        print(drawing.missing())
        return
    figures.draw(found, f"{base}.png")
    print(f"Drawn: {base}.png")


def wanted_of(config):
    """Returns what a config searches for, or says that it does not."""
    wanted = config.paper.to_dict().get("tickets")
    if wanted is None:
        raise ValueError(
            "Expected a config with `paper.tickets`, such as "
            "configs/tickets/mnist_lenet.py."
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


if __name__ == "__main__":
    app.run(main, flags_parser=command_line.parse)
