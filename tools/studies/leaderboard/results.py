"""The tables of the leaderboard: accuracies, ranks, and what is missing."""

import dataclasses
import os

import numpy as np

from kprune.runtime import files, significance, tables
from leaderboard import rows


@dataclasses.dataclass(frozen=True)
class Cell:
    """A method on a network, at a sparsity, from a seed."""

    network: str
    row: str
    sparsity: float
    seed: int

    @property
    def name(self):
        share = f"{100 * self.sparsity:g}"
        return f"{self.network}, {self.row}, {share} %, seed {self.seed}"

    def path(self, workdir):
        """Returns the path of the cell's file."""
        share = f"{100 * self.sparsity:g}"
        name = f"{self.row}_{share}_{self.seed}.json"
        return os.path.join(workdir, self.network, name)


class Results:
    """What came of the cells of a directory.

    Args:
        workdir: Path of the directory.
        cells: List of the cells that are asked for.
    """

    def __init__(self, workdir, cells):
        self._cells = cells
        found = {cell: files.read_record(cell.path(workdir)) for cell in cells}
        self._found = {c: one for c, one in found.items() if one is not None}

    def report(self):
        """Returns the tables of each network, in Markdown."""
        networks = list(dict.fromkeys(cell.network for cell in self._cells))
        parts = [self._of_network(network) for network in networks]
        parts += [self._ranks(), self._shuffles(), self._missing()]
        return "\n\n".join(parts)

    def _of_network(self, network):
        cells = [cell for cell in self._cells if cell.network == network]
        shares = sorted({cell.sparsity for cell in cells} - {0.0})
        names = list(dict.fromkeys(c.row for c in cells))
        dense = self._text(network, "dense", 0.0)
        head = ["method", "when", *(f"{100 * s:g} %" for s in shares)]
        table = []
        for name in names:
            if name != "dense":
                row = rows.ROWS[name]
                texts = [self._text(network, name, share) for share in shares]
                table.append([name, row.when, *texts])
        return (
            f"**{network}**: test accuracy in % by sparsity, mean ± standard "
            f"deviation over seeds; dense {dense}\n\n"
            + tables.markdown(head, table, words=2)
        )

    def _text(self, network, row, share):
        found = self._values(network, row, share)
        return tables.mean(found.values()) if found else "not run"

    def _values(self, network, row, share):
        """Returns the accuracies by seed, a dict."""
        return {
            cell.seed: found["accuracy"]
            for cell, found in self._found.items()
            if (cell.network, cell.row, cell.sparsity) == (network, row, share)
        }

    def _ranks(self):
        """Returns the mean ranks of the methods over networks and seeds.

        A block is a network of a seed: in it, methods are ranked at each
        sparsity, and their ranks averaged, since the sparsities of a seed are
        not independent.
        """
        complete = self._complete()
        if len(complete) < 3:
            return "No ranks: fewer than three methods have all cells."
        found = significance.ranking(complete)
        table = []
        for name, mean in found.ranks.items():
            low, high = found.interval(name)
            when = rows.ROWS[name].when
            table.append(
                [name, when, f"{mean:.1f}", f"{low:.1f} to {high:.1f}"]
            )
        head = ["method", "when", "mean rank", "interval"]
        return (
            f"**Ranks** of {len(complete)} methods over {found.blocks} blocks "
            "(networks and seeds; within one, the mean of the ranks at each "
            f"sparsity); Friedman's p = {found.p_value:.2g}. Two methods "
            "differ if their intervals do not overlap (Nemenyi's test at 5 %, "
            "corrected for all pairs)\n\n"
            + tables.markdown(head, table, words=2)
        )

    def _complete(self):
        """Returns minus the mean rank in each block, a list by method, of
        the methods that have all cells."""
        asked = [c for c in self._cells if c.row != "dense"]
        lacking = {c.row for c in asked if c not in self._found}
        names = list(dict.fromkeys(c.row for c in asked))
        names = [name for name in names if name not in lacking]
        blocks = dict.fromkeys((c.network, c.seed) for c in asked)
        shares = dict.fromkeys(c.sparsity for c in asked)
        found = {name: [] for name in names}
        for network, seed in blocks:
            ranks = np.zeros(len(names))
            for share in shares:
                values = [
                    self._found[Cell(network, name, share, seed)]["accuracy"]
                    for name in names
                ]
                ranks += significance.ranks(values)
            for name, rank in zip(names, ranks / len(shares), strict=True):
                found[name].append(-rank)
        return found

    def _shuffles(self):
        """Returns what each method at initialization gains on its own masks,
        shuffled within layers: paired over seeds, with Holm's correction over
        the methods and sparsities of a network."""
        gains = {}
        for cell in self._found:
            name = cell.row + rows.SHUFFLED
            other = dataclasses.replace(cell, row=name)
            if other in self._found:
                key = cell.network, cell.row, cell.sparsity
                pair = self._found[cell], self._found[other]
                one, shuffled = (found["accuracy"] for found in pair)
                gains.setdefault(key, []).append(one - shuffled)
        if not gains:
            return "No shuffled masks to compare with."
        table = []
        for network in dict.fromkeys(network for network, *_ in gains):
            own = {k: v for k, v in gains.items() if k[0] == network}
            values = significance.holm(
                {key: significance.paired(gain) for key, gain in own.items()}
            )
            for key, gain in own.items():
                table.append(_verdict(key, gain, values[key]))
        head = ["network", "method", "sparsity", "gain", "p", "verdict"]
        return (
            "**Shuffled within layers**: the gain of a method's masks over "
            "their own shuffles, in points of accuracy, mean ± standard "
            "deviation over seeds, and p after Holm's correction\n\n"
            + tables.markdown(head, table, words=2)
        )

    def _missing(self):
        """Returns a table of what was not run, with its price."""
        table = []
        for network in dict.fromkeys(c.network for c in self._cells):
            own = [c for c in self._cells if c.network == network]
            left = [c for c in own if c not in self._found]
            if left:
                table.append([network, len(left), self._price(own, left)])
        if not table:
            return "All cells have been run."
        head = ["network", "cells not run", "hours of one core"]
        return tables.markdown(head, table)

    def _price(self, own, left):
        """Returns hours: each cell costs the mean of its method's cells, or
        of all cells of the network."""
        seconds = {}
        for cell in own:
            if cell in self._found:
                spent = self._found[cell]["seconds"]
                seconds.setdefault(cell.row, []).append(spent)
        if not seconds:
            return "not measured"
        means = {row: np.mean(spent) for row, spent in seconds.items()}
        usual = np.mean([*means.values()])
        total = sum(means.get(cell.row, usual) for cell in left)
        return f"{total / 3600:.2f}"


def _verdict(key, gain, p_value):
    network, method, share = key
    verdict = "undecided"
    enough = significance.enough(len(gain))
    if enough and p_value < significance.LEVEL:
        verdict = "better" if np.mean(gain) > 0 else "worse"
    mean, share = tables.mean(gain), f"{100 * share:g} %"
    return [network, method, share, mean, f"{p_value:.2g}", verdict]
