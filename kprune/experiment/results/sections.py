"""Arranges groups of runs by data set and network."""

import dataclasses

from kprune.experiment import identity
from kprune.experiment.config import DENSE, default
from kprune.experiment.results.groups import published
from kprune.runtime import methods

# Settings that come with a method: they tell its own runs apart, no others.
_OF_METHOD = ("pruner.", "sources.")


@dataclasses.dataclass(frozen=True)
class MethodRow:
    """The accuracies of one method over sparsities, a row of a table.

    Args:
        name: The method, with its sanity check and the settings that
            distinguish it in its section.
        method: The same, without the sanity check.
        check: Name of the sanity check, or `None`.
        dense: Whether it is the network without pruning.
        measured, paper: Dicts from a sparsity to an `Accuracy`.
        pruner: String, the method's name in the config.
    """

    name: str
    method: str
    check: str | None
    dense: bool
    measured: dict
    paper: dict
    pruner: str


@dataclasses.dataclass(frozen=True)
class Section:
    """All runs on one data set and network.

    Args:
        dataset, network: Names.
        rows: List of `MethodRow`s.
        settings: Dict of the settings that all rows share, by dotted key.
        seeds: Sorted tuple of all seeds.
        sources: Tuple of the sources of the papers' results.
    """

    dataset: str
    network: str
    rows: list
    settings: dict
    seeds: tuple
    sources: tuple

    @property
    def sparsities(self):
        """The distinct sparsities of the rows, sorted."""
        return sorted({s for r in self.rows for s in {**r.measured, **r.paper}})

    @property
    def counts(self):
        """The distinct numbers of runs behind the accuracies, sorted."""
        return sorted({a.n for r in self.rows for a in r.measured.values()})


def sections(groups):
    """Returns groups as a list of `Section`, by data set and network."""
    found = {}
    for group in groups:
        found.setdefault((group.dataset, group.network), []).append(group)
    return [_section(*key, found[key]) for key in sorted(found)]


def _section(dataset, network, groups):
    usual = identity.leaves(default())
    full = [{**usual, **group.settings} for group in groups]
    keys = sorted(set().union(*full))
    varied = [key for key in _varied(full) if not key.startswith(_OF_METHOD)]
    rows = {}
    for group in groups:
        name = _name(group, groups, varied, usual)
        rows.setdefault((name, group.check), []).append(group)
    order = _order(groups)
    arranged = sorted(
        rows, key=lambda key: (order[rows[key][0].method], key[0], key[1] or "")
    )
    sources = [g.paper["source"] for g in groups if "source" in g.paper]
    return Section(
        dataset,
        network,
        [_row(*key, rows[key]) for key in arranged],
        {k: full[0].get(k) for k in keys if k not in varied},
        tuple(sorted({seed for group in groups for seed in group.seeds})),
        tuple(dict.fromkeys(sources)),
    )


def _row(name, check, groups):
    first = groups[0]
    # A paper reports the method itself, not its sanity checks.
    paper = published(first.paper, first.method) if check is None else {}
    return MethodRow(
        name if check is None else f"{name} + {check}",
        name,
        check,
        first.method == DENSE,
        {group.sparsity: group.measured for group in groups},
        paper,
        first.pruner,
    )


def _name(group, groups, varied, usual):
    """Returns the method, with the settings in which it differs from others."""
    alike = [
        {**usual, **other.settings}
        for other in groups
        if other.method == group.method
    ]
    own = [key for key in _varied(alike) if key.startswith(_OF_METHOD)]
    mine = {**usual, **group.settings}
    found = [f"{key}={_brief(mine.get(key))}" for key in [*varied, *own]]
    return f"{group.method} ({', '.join(found)})" if found else group.method


def _varied(settings):
    """Returns the keys whose values differ among dicts, sorted."""
    keys = sorted(set().union(*settings))
    return [k for k in keys if len({repr(s.get(k)) for s in settings}) > 1]


def _brief(value):
    return f"{value:g}" if isinstance(value, float) else str(value)


def _order(groups):
    """Returns the rank of each method.

    Dense is first, then methods follow the paper's sweep, then
    `kprune.methods("prune")`, then their names.
    """
    names = [DENSE]
    for group in groups:
        names += group.paper.get("sweep", {}).get("methods", [])
    names += methods.methods("prune")
    names += sorted(group.method for group in groups)
    return {name: rank for rank, name in enumerate(dict.fromkeys(names))}
