"""Networks whose weights are never trained: which of them compute is learned.

  python tools/studies/run.py subnetworks --config=configs/supermask.py \\
      --runs=runs/selection

Under --runs each variant and seed has a JSON file of its own; the same command
goes on where it was stopped. At the end comes a table in Markdown, which is
also written there. What is run stands in `config.paper.experiment`.
"""

import numpy as np

from kprune.cli import studies
from kprune.experiment.results.study import Kind
from kprune.runtime import tables
from subnetworks.subnetwork import subnetwork
from subnetworks.tasks import permuted

_COLUMNS = {
    "sparsity": "left out",
    "untrained": "untrained",
    "test": "test",
    "plain": "as a plain network",
}


define = studies.define_study


def main(flags):
    studies.main(flags, KINDS, "configs/supermask.py")


def subnetworks_table(experiment, found):
    """Returns a row for each variant, means over its seeds."""
    del experiment
    rows = []
    for label, results in found.items():
        scales = [(key, 100 if key == "sparsity" else 1) for key in _COLUMNS]
        cells = [[scale * r[key] for r in results] for key, scale in scales]
        rows.append([label, *map(_percent, cells)])
    return tables.markdown(["", *_COLUMNS.values()], rows)


def tasks_table(experiment, found):
    """Returns a row for each task, and their mean, for each variant."""
    del experiment
    parts = []
    for label, results in found.items():
        columns = list(results[0]["tasks"][0])
        each = np.array(
            [[[t[c] for c in columns] for t in r["tasks"]] for r in results]
        )
        rows = [
            [f"task {i}", *map(_percent, each[:, i - 1].T)]
            for i in range(1, each.shape[1] + 1)
        ]
        rows.append(["**mean**", *map(_percent, each.mean(axis=1).T)])
        parts += [f"**{label}**", tables.markdown(["", *columns], rows)]
    return "\n\n".join(parts)


def _percent(values):
    return f"{tables.mean(values)} %"


_DATASET = ("name", "normalization", "augment")
KINDS = {
    "subnetwork": Kind(subnetwork, subnetworks_table, dataset=_DATASET),
    "tasks": Kind(permuted, tasks_table, dataset=_DATASET),
}
