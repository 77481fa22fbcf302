"""The grid of a sweep: a config over methods, sparsities and seeds."""

import dataclasses
import itertools
import re

from ml_collections import ConfigDict

from kprune import datasets, experiment, models
from kprune.experiment import checking
from kprune.experiment.config import DENSE, put
from kprune.models import own
from kprune.pruning import granularity, recipes, scope
from kprune.runtime import lookup, own_names
from kprune.runtime import methods as method_table
from kprune.runtime.checks import require


@dataclasses.dataclass(frozen=True)
class Cell:
    """One run: its config, complete, and the name of its directory."""

    config: ConfigDict
    name: str


def variants(paper):
    """Returns the variants that a paper compares: (method, options) by label.

    Each row of `paper["results"]` has a `"method"` and, where they differ
    there, `"options"`: values by dotted key of the config. Its label is its
    `"label"`, or the method's name if it has none.
    """
    return {
        row.get("label", row["method"]): (row["method"], row.get("options", {}))
        for row in paper.get("results", [])
    }


def cells(base, methods, sparsities, seeds, networks=(), checks=(None,)):
    """Returns the cells of a sweep, seed by seed and without duplicates.

    The dense network occurs once per seed. Cells save no models.

    Args:
        base: `ConfigDict`, complete.
        methods: `"dense"`, labels of `variants(base.paper)`, or names of
            methods.
        sparsities: Numbers.
        seeds: Integers.
        networks: Names of models. Defaults to that of `base`.
        checks: Names of sanity checks to run each method with, and `None` for
            the method itself.
    """
    known = {
        **{name: (name, {}) for name in experiment.methods()},
        **variants(base.paper.to_dict()),
    }
    known |= {m: (m, {}) for m in methods if own_names.is_name(m)}
    chosen = [lookup.choose(m, known, "method") for m in methods]
    _check(base, sparsities, networks)
    found = {}
    for network, seed, (method, options) in itertools.product(
        networks or [base.model.name], seeds, chosen
    ):
        dense = method == DENSE
        for sparsity, check in itertools.product(
            [0.0] if dense else sparsities, [None] if dense else checks
        ):
            checking.refuse_unfit(method, check)
            changes = {
                **options,
                "model.name": network,
                "seed": seed,
                "artifacts": False,
                "pruner.sparsity": sparsity,
                "pruner.method": method,
                "pruner.check": check,
            }
            config = _changed(base, changes)
            name = experiment.name(config)
            found.setdefault(name, Cell(config, name))
    for cell in found.values():
        pruner = cell.config.pruner
        if pruner.method in method_table.methods("prune"):
            recipes.get(pruner.method, **pruner.options.to_dict())
    return list(found.values())


def shard(cells, text):
    """Returns one host's share of the cells.

    Args:
        cells: List of `Cell`s.
        text: `"i/n"`, for share `i` of `n`, counted from 0.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    index, count = map(int, match.groups()) if match else (0, 0)
    expected = "i/n with i from 0 to n - 1, such as 0/2 and 1/2 on two hosts"
    require(index < count, "shard", text, expected)
    return cells[index::count]


def _check(base, sparsities, networks):
    datasets.info(base.dataset.name)
    known = dict.fromkeys(models.names())
    for network in networks or [base.model.name]:
        if not own.is_own(network):
            lookup.choose(network, known, "model")
    grain = granularity.get(base.pruner.granularity or "weight")
    for sparsity in sparsities:
        scope.sparsity_of(grain, sparsity)
    one_host = base.distribute != "multi_worker"
    expected = "none, mirrored or tpu, as a sweep runs each cell on one host "
    expected += "(--shard=i/n splits the cells over hosts)"
    require(one_host, "config.distribute", base.distribute, expected)


def _of_no_network(paper):
    """Returns a paper's entry without results, which are of another network."""
    figures = ("mean", "std", "n")
    rows = [
        {key: value for key, value in row.items() if key not in figures}
        for row in paper.get("results", [])
    ]
    found = {key: value for key, value in paper.items() if key != "source"}
    return {**found, "results": rows} if rows else found


def _changed(base, changes):
    """Returns a complete config with values replaced by dotted key."""
    config = base.to_dict()
    if changes["pruner.method"] == DENSE:
        # Settings of pruning are no part of the identity of a dense run.
        config["pruner"] = {}
    if changes["model.name"] != base.model.name:
        config["paper"] = _of_no_network(config["paper"])
    put(config, changes)
    return experiment.complete(config)
