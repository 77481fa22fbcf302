"""Groups runs that differ in the seed alone."""

import dataclasses
import json
import statistics

from kprune.experiment import identity
from kprune.experiment.config import DENSE
from kprune.experiment.sweep import grid

_OF_PRUNER = ("pruner.method", "pruner.check", "pruner.sparsity")
# The settings that a run's place in a table shows.
_PLACES = ("dataset.name", "model.name", *_OF_PRUNER)


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """A mean accuracy in percent, measured or published.

    Args:
        mean: Number.
        std: Number, the standard deviation (n - 1), or `None`.
        n: Integer, the number of runs, or `None` if it is unknown.
        values: Tuple of the runs' accuracies; empty if published.
    """

    mean: float
    std: float | None = None
    n: int | None = None
    values: tuple = ()


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs of one configuration.

    Args:
        dataset, network, sparsity: The group's place in a table.
        method: Name of the method, or its label in the paper.
        check: Name of the sanity check of the method, or `None`.
        settings: Dict of the other settings that differ from the defaults, by
            dotted key.
        seeds: Sorted tuple of the seeds.
        measured: An `Accuracy`.
        paper: Dict, `config.paper` of the runs.
        pruner: String, the method's name in the config.
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
    pruner: str


def groups(runs, paper=None):
    """Groups runs that differ in the seed only.

    Args:
        runs: Iterable of runs.
        paper: Dict that replaces the `config.paper` of the runs, or `None`.

    Returns:
        (list of `Group`, list of duplicates): a duplicate has the config and
        seed of an earlier run, and is left out.
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
    """Returns a paper's accuracies of a label, a dict by sparsity.

    Rows without a mean only name a method.
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
        config.pruner.method,
    )


def _key(config):
    """Returns a string that is the same for all runs of a group."""
    place = [_value(config, key) for key in _PLACES]
    return json.dumps([place, _settings(config)], sort_keys=True)


def _settings(config):
    told = ("seed", *_PLACES)
    dense = config.pruner.method == DENSE
    return {
        key: value
        for key, value in identity.settings(config).items()
        if key not in told and not (dense and key.startswith("pruner."))
    }


def _label(config, paper):
    """Returns the label of a config's method in a paper, or its name.

    Of the paper's variants whose options the config has, the one with the most
    options counts.
    """
    fitting = [
        (len(options), label)
        for label, (method, options) in grid.variants(paper).items()
        if method == config.pruner.method
        and all(_value(config, key) == v for key, v in options.items())
    ]
    return max(fitting)[1] if fitting else config.pruner.method


def _value(config, key):
    """Returns the value of a config at a dotted key, or `None`."""
    value = config.to_dict()
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
