"""Accuracies over neurons kept, as Markdown."""

import numpy as np

from kprune.runtime import lookup

NAMES = {
    "ossum": "OSSuM",
    "linear_ossum": "Linear OSSuM",
    "log_ossum": "Log OSSuM",
    "ossum_norm": "OSSuM + norm",
    "linear_ossum_norm": "Linear OSSuM + norm",
    "log_ossum_norm": "Log OSSuM + norm",
    "pab": "OSSuM + PAB",
    "linear_pab": "Linear OSSuM + PAB",
    "log_pab": "Log OSSuM + PAB",
    "neuron_norm": "norm",
    "neuron_random": "random",
    "coreset": "coreset",
    "supermask": "gradient supermask",
}


def table(series, kept):
    """Returns mean ± standard deviation over the seeds, in percent.

    Args:
        series: Dict from method to an array (seeds, numbers of neurons).
        kept: List of integers, the numbers of neurons.
    """
    head = ["neurons kept", *(f"{size:,}" for size in kept), "best"]
    lines = [_row(head), _row(["---", *["---:"] * (len(head) - 1)])]
    for method, values in series.items():
        cells = [_cell(column) for column in values.T]
        best = _cell(values[:, np.argmax(values.mean(axis=0))])
        lines.append(_row([name(method), *cells, f"**{best}**"]))
    return "\n".join(lines)


def best(results):
    """Returns the architectures that a search chose, one of each seed.

    Args:
        results: List of dicts with `best`, as of `search.search`.
    """
    head = ["method", "widths", "removed", "held out", "test"]
    lines = [_row(head), _row(["---", "---", *["---:"] * 3])]
    for result in results:
        for method, row in result["best"].items():
            figures = [row["removed"], row["validation"], row["test"]]
            widths = "-".join(map(str, row["widths"]))
            cells = [f"{figure:.1f} %" for figure in figures]
            lines.append(_row([name(method), widths, *cells]))
    return "\n".join(lines)


def name(method):
    """Returns what a method, or one with a suffix, is called in tables."""
    base, _, rest = method.partition(":")
    return lookup.choose(base, NAMES, "method") + (f", {rest}" if rest else "")


def _row(cells):
    return "| " + " | ".join(cells) + " |"


def _cell(values):
    mean = f"{np.mean(values):.1f}"
    return mean if len(values) < 2 else f"{mean} ± {np.std(values, ddof=1):.1f}"


def gathered(results):
    """Returns the series of several seeds as arrays.

    Args:
        results: List of dicts with `series`, dicts from method to list.

    Returns:
        Dict from method to an array (seeds, numbers of neurons).
    """
    return {
        method: np.array([result["series"][method] for result in results])
        for method in results[0]["series"]
    }
