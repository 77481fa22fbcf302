"""Methods that `kprune.prune` does not run, each on a small network.

  python tools/studies/run.py in_training --runs=runs/in_training \\
      --config=configs/in_training.py:mnist_str

Learned thresholds and gates, growing penalties, group lasso, early birds,
tickets found on fewer examples and tickets of another depth. Under --runs each
seed has a JSON file of its own; the same command goes on where it was stopped.
At the end comes a table in Markdown, which is also written there. What is run
stands in `config.paper.experiment`.
"""

from in_training.methods import measured
from kprune.cli import studies
from kprune.experiment.results.study import Kind
from kprune.runtime import tables

_COLUMNS = {
    "removed": "removed in %",
    "test": "test accuracy in %",
}


define = studies.define_study


def main(flags):
    studies.main(flags, KINDS, "configs/in_training.py")


def table(experiment, found):
    """Returns a row for each variant, means over its seeds."""
    del experiment
    rows = [
        [
            label,
            *(tables.mean([r[key] for r in results]) for key in _COLUMNS),
        ]
        for label, results in found.items()
    ]
    return tables.markdown(["", *_COLUMNS.values()], rows)


KINDS = {
    "in_training": Kind(
        measured, table, dataset=("name", "normalization", "augment")
    ),
}
