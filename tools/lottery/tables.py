"""The results of all seeds as a table and a verdict."""

import statistics

from lottery.records import CHECKS

from kprune.analysis import sanity


def report(found):
    """Returns the results as Markdown.

    Args:
        found: Dict from seed to a dict from (level, variant) to a result.
    """
    lines = [
        "| level | pruned in % | ticket | reinitialized | shuffled |",
        "|---:|---:|---:|---:|---:|",
    ]
    for level in levels(found):
        cells = [_mean(accuracies(found, level, v)) for v in CHECKS]
        share = 100 * sparsity(found, level)
        lines.append(f"| {level} | {share:.2f} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *verdicts(found)])


def verdicts(found):
    """Returns a sentence for each level with baselines, and each of these."""
    lines = []
    for level in levels(found):
        ticket = accuracies(found, level, "ticket")
        for variant, check in CHECKS.items():
            other = accuracies(found, level, variant)
            if check and other:
                name = f"At {100 * sparsity(found, level):.1f} % the ticket"
                said = sanity.verdict(ticket, other, name, check)
                lines.append(f"- {said}.")
    return lines


def levels(found):
    """Returns the levels of which there is a result, in order."""
    return sorted({level for results in found.values() for level, _ in results})


def sparsity(found, level):
    """Returns the sparsity of a level, which is that of all seeds."""
    return next(iter(found.values()))[level, "ticket"]["sparsity"]


def accuracies(found, level, variant):
    """Returns the accuracies of the seeds in percent, if there are any."""
    return [
        100 * results[level, variant]["accuracy"]
        for results in found.values()
        if (level, variant) in results
    ]


def _mean(values):
    if not values:
        return ""
    mean = f"{statistics.mean(values):.2f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(values):.2f}"
