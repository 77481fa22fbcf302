"""Runs that differ in nothing but the seed, and what they come to."""

import dataclasses
import json
import statistics

from kprune.experiment import identity
from kprune.experiment.config import DENSE
from kprune.experiment.sweep import grid

# What the place in a table says, or what is averaged over.
_PLACES = (
    "seed",
    "dataset.name",
    "model.name",
    "pruner.method",
    "pruner.check",
    "pruner.sparsity",
)


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """A mean accuracy in percent, measured or published.

    Args:
        mean: Float.
        std: Float, the standard deviation (n - 1), or `None`.
        n: Integer, how many runs, or `None` if a paper does not say.
        values: Tuple of the accuracies, of runs that are at hand.
    """

    mean: float
    std: float | None = None
    n: int | None = None
    values: tuple = ()


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs of one configuration.

    Args:
        dataset, network: Strings.
        method: Name of the method, or its label in the paper.
        check: Name of the sanity check that was run in its place, or `None`.
        sparsity: Float.
        settings: Dict of what else differs from the defaults, by dotted key.
        seeds: Tuple of the seeds, sorted.
        measured: An `Accuracy`.
        paper: Dict, what the runs' configs say of a paper.
    """

    dataset: str
    network: str
    method: str
    check: str | None
    sparsity: float
    settings: dict
    seeds: tuple
    measured: Accuracy
    paper: dict


def groups(runs, paper=None):
    """Gathers runs that differ in nothing but the seed.

    Args:
        runs: List of `runs.Run`.
        paper: Dict that replaces the runs' own `config.paper`.

    Returns:
        (list of `Group`, list of runs left out because another one of the
        same config and seed is there).
    """
    gathered, doubles = {}, []
    for run in runs:
        seeds = gathered.setdefault(_key(run.config), {})
        if run.config.seed in seeds:
            doubles.append(run)
        else:
            seeds[run.config.seed] = run
    return [_group(seeds, paper) for seeds in gathered.values()], doubles


def published(paper, label):
    """Returns the accuracies that a paper has of a label, by sparsity.

    Args:
        paper: Dict, as in a config. Rows without a mean only name a method.
        label: String.
    """
    found = {}
    for row in paper.get("results", []):
        if "mean" in row and row.get("label", row["method"]) == label:
            figures = Accuracy(row["mean"], row.get("std"), row.get("n"))
            found.setdefault(row["sparsity"], figures)
    return found


def _group(seeds, paper):
    first = next(iter(seeds.values()))
    config = first.config
    if paper is None:
        papers = [run.config.paper.to_dict() for run in seeds.values()]
        paper = next(filter(None, papers), {})
    sparsity = config.pruner.sparsity
    if sparsity is None:  # The granularity fixes it.
        sparsity = round(first.result.get("sparsity", 0.0), 4)
    found = [100 * run.result["test_accuracy"] for run in seeds.values()]
    std = statistics.stdev(found) if len(found) > 1 else None
    return Group(
        config.dataset.name,
        config.model.name,
        _label(config, paper),
        config.pruner.check,
        sparsity,
        _settings(config),
        tuple(sorted(seeds)),
        Accuracy(statistics.mean(found), std, len(found), tuple(found)),
        paper,
    )


def _key(config):
    """Returns a text that is the same for runs of one group."""
    place = [_value(config, key) for key in _PLACES if key != "seed"]
    return json.dumps([place, _settings(config)], sort_keys=True)


def _settings(config):
    dense = config.pruner.method == DENSE
    return {
        key: value
        for key, value in identity.settings(config).items()
        if key not in _PLACES and not (dense and key.startswith("pruner."))
    }


def _label(config, paper):
    """Returns the label of the paper's method that the config is of: of those
    whose options it has, the one of most options. Else the method's name."""
    fitting = [
        (len(options), label)
        for label, (method, options) in grid.variants(paper).items()
        if method == config.pruner.method
        and all(_value(config, key) == v for key, v in options.items())
    ]
    return max(fitting)[1] if fitting else config.pruner.method


def _value(config, key):
    """Returns what a config has at a dotted key, or `None`."""
    value = config.to_dict()
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
