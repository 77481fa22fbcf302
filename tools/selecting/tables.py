"""What was chosen, and how well it does, as Markdown."""

import numpy as np


def subnetworks(found):
    """Returns a row for each variant, means over its seeds.

    Args:
        found: Dict from label to a list of results of `subnetwork`.
    """
    head = ["", "left out", "untrained", "test", "as a plain network"]
    rows = [
        [label, *(_cell(results, key) for key in _KEYS)]
        for label, results in found.items()
    ]
    return _table(head, rows)


def tasks(found):
    """Returns a row for each task, and their mean, for each variant.

    Args:
        found: Dict from label to a list of results of `permuted`.
    """
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
        parts += [f"**{label}**", _table(["", *columns], rows)]
    return "\n\n".join(parts)


_KEYS = ("sparsity", "untrained", "test", "plain")


def _cell(results, key):
    scale = 100 if key == "sparsity" else 1
    return _percent(np.array([scale * result[key] for result in results]))


def _percent(values):
    text = f"{values.mean():.2f}"
    if len(values) > 1:
        text += f" ± {values.std(ddof=1):.2f}"
    return f"{text} %"


def _table(head, rows):
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
