"""Tabulates the results of all seeds, with verdicts and a plot."""

import statistics

from kprune.analysis import sanity
from kprune.analysis.sanity.verdicts import caption, together
from kprune.experiment.tickets.records import CHECKS
from kprune.runtime import tables
from kprune.runtime.plots import Line, Panel

_TICKS = (100, 50, 20, 10, 5, 2, 1)  # Weights left in %.


def report(found):
    """Returns the results as Markdown.

    Args:
        found: Dict from a seed to a dict from (level, variant) to a result.
    """
    rows = []
    for level in _levels(found):
        cells = [_accuracies(found, level, variant) for variant in CHECKS]
        means = [tables.mean(cell) if cell else "" for cell in cells]
        rows.append([level, f"{100 * _sparsity(found, level):.2f}", *means])
    table = tables.markdown(["level", "pruned in %", *CHECKS], rows, words=0)
    said = _verdicts(found)
    told = caption(said)
    return "\n".join(
        [table, "", *([told, ""] if told else []), *(f"- {s}." for s in said)]
    )


def panel(found):
    """Returns a `Panel` of the accuracies over the share of weights left."""
    lines = []
    for variant in CHECKS:
        values = {
            100 * (1 - _sparsity(found, level)): accuracies
            for level in _levels(found)
            if (accuracies := _accuracies(found, level, variant))
        }
        means = [statistics.mean(v) for v in values.values()]
        spread = [statistics.stdev(v) if v[1:] else 0 for v in values.values()]
        lines.append(Line(list(values), means, variant, spread))
    least = 100 * (1 - _sparsity(found, _levels(found)[-1]))
    return Panel(
        lines,
        xlabel="weights left in %",
        ylabel="test accuracy in %",
        log="x",
        inverted="x",
        xticks={tick: f"{tick}" for tick in _TICKS if tick >= least},
    )


def _verdicts(found):
    """Returns a `Verdict` on each baseline of each level, a list, with Holm's
    correction over all of them."""
    said = []
    for level in _levels(found):
        ticket = _accuracies(found, level, "ticket")
        for variant, check in CHECKS.items():
            other = _accuracies(found, level, variant)
            if check and other:
                name = f"At {100 * _sparsity(found, level):.1f} % the ticket"
                said.append(sanity.verdict(ticket, other, name, check))
    return together(said)


def _levels(found):
    """Returns the levels with a result, sorted."""
    return sorted({level for results in found.values() for level, _ in results})


def _sparsity(found, level):
    """Returns the sparsity of a level, the same for all seeds."""
    return next(iter(found.values()))[level, "ticket"]["sparsity"]


def _accuracies(found, level, variant):
    """Returns the accuracies of the seeds in percent, a list."""
    return [
        100 * results[level, variant]["accuracy"]
        for results in found.values()
        if (level, variant) in results
    ]
