"""Groups of runs, arranged: one section for each data set and network."""

import dataclasses
import itertools

from comparison.groups import figures, published
from sweeping import grid

import kprune
from kprune import experiment
from kprune.experiment import identity


@dataclasses.dataclass(frozen=True)
class Row:
    """What one method comes to at several sparsities.

    Args:
        name: The method, and the settings that set it apart in its section.
        method: The same, without its sanity check.
        check: Name of the sanity check that was run in its place, or `None`.
        dense: Whether it is the network without pruning.
        measured: Dict from a sparsity to a `Figure`.
        paper: Dict from a sparsity to the paper's `Figure`.
    """

    name: str
    method: str
    check: str | None
    dense: bool
    measured: dict
    paper: dict


@dataclasses.dataclass(frozen=True)
class Section:
    """All runs on one data set and network.

    Args:
        dataset, network: Strings.
        rows: List of `Row`.
        settings: Dict of all settings, by dotted key, that the runs share.
        seeds: Tuple of the seeds of all runs together.
        sources: Tuple of what the papers' figures are from.
    """

    dataset: str
    network: str
    rows: list
    settings: dict
    seeds: tuple
    sources: tuple

    @property
    def sparsities(self):
        """All sparsities of the rows, sorted."""
        return sorted({s for r in self.rows for s in {**r.measured, **r.paper}})

    @property
    def counts(self):
        """All numbers of runs that figures are means of, sorted."""
        rows = [row.measured.values() for row in self.rows]
        return sorted({f.n for f in itertools.chain(*rows)})


def sections(groups):
    """Arranges groups, the sections sorted by name.

    Args:
        groups: List of `comparison.groups.Group`.

    Returns:
        List of `Section`.
    """
    found = {}
    for group in groups:
        found.setdefault((group.dataset, group.network), []).append(group)
    return [_section(*key, found[key]) for key in sorted(found)]


def _section(dataset, network, groups):
    usual = identity.leaves(experiment.default())
    full = [{**usual, **group.settings} for group in groups]
    keys = sorted(set().union(*full))
    varied = [
        key
        for key in keys
        if not key.startswith("pruner.") and len(_values(key, full)) > 1
    ]
    rows = {}
    for group in groups:
        name = _name(group, groups, varied, usual)
        rows.setdefault((name, group.check), []).append(group)
    order = _order(groups)
    keys_of_rows = sorted(
        rows, key=lambda key: (order[rows[key][0].method], key[0], key[1] or "")
    )
    return Section(
        dataset,
        network,
        [_row(*key, rows[key]) for key in keys_of_rows],
        {k: full[0].get(k) for k in keys if k not in varied},
        tuple(sorted({seed for group in groups for seed in group.seeds})),
        tuple(
            dict.fromkeys(
                group.paper["source"]
                for group in groups
                if "source" in group.paper
            )
        ),
    )


def _row(name, check, groups):
    first = groups[0]
    shown = {
        row["sparsity"]
        for group in groups
        for row in figures(group.paper)
        if check is None  # A paper's figures are of the method itself.
    }
    paper = {s: published(first.paper, first.method, s) for s in shown}
    return Row(
        name if check is None else f"{name} + {check}",
        name,
        check,
        first.method == grid.DENSE,
        {group.sparsity: group.measured for group in groups},
        {s: figure for s, figure in paper.items() if figure is not None},
    )


def _name(group, groups, varied, usual):
    """Returns the method, with the settings that others have otherwise."""
    alike = [
        {**usual, **other.settings}
        for other in groups
        if other.method == group.method
    ]
    own = [
        key
        for key in sorted(set().union(*alike))
        if key.startswith("pruner.") and len(_values(key, alike)) > 1
    ]
    mine = {**usual, **group.settings}
    settings = [f"{k}={_brief(mine.get(k))}" for k in [*varied, *own]]
    if not settings:
        return group.method
    return f"{group.method} ({', '.join(settings)})"


def _values(key, settings):
    return {repr(found.get(key)) for found in settings}


def _brief(value):
    return f"{value:g}" if isinstance(value, float) else str(value)


def _order(groups):
    """Returns the rank of each method: dense first, then as in the paper's
    sweep, then as in `kprune.methods()`."""
    names = [grid.DENSE]
    for group in groups:
        names += group.paper.get("sweep", {}).get("methods", [])
    names += [*kprune.methods(), *sorted(group.method for group in groups)]
    return {name: rank for rank, name in enumerate(dict.fromkeys(names))}
