"""Width: random masks by ERK beside dense networks of the same width.

Liu et al., 2022, https://arxiv.org/abs/2202.02643: as networks grow wider,
training a randomly pruned network comes to match its dense equivalent.
"""

import dataclasses
import itertools

import kprune
from evaluations import over_seeds
from kprune.runtime import tables
from leaderboard import networks
from leaderboard.bench import Bench

TITLE = "Random masks by width"
_WIDTHS = (0.125, 0.25, 0.5, 1, 2)
_SPARSITIES = (0.8, 0.9)


def measured(seed, data_dir, quick):
    """Returns a list of dicts, one for each sparsity and width."""
    network = networks.NETWORKS["lenet_300_100"]
    network = dataclasses.replace(network, examples=8192)
    network = networks.QUICK if quick else network
    data = networks.load(network, data_dir)
    found = []
    for width in _WIDTHS[:2] if quick else _WIDTHS:
        wide = dataclasses.replace(network, build=_builder(width, data))
        found += _of_width(Bench(wide, data), width, seed)
    return sorted(found, key=lambda row: row["sparsity"])


def _builder(width, data):
    hidden = tuple(round(width * units) for units in (300, 100))
    shape = data[0][0].shape[1:]

    def build(seed):
        return kprune.models.fc(
            hidden, input_shape=shape, activation="relu", seed=seed
        )

    return build


def _of_width(bench, width, seed):
    start = bench.initial(seed)
    dense = bench.accuracy(bench.fit(bench.model(start), seed))
    for sparsity in _SPARSITIES:
        masks = kprune.get_masks(
            kprune.prune(start, "random", sparsity, allocation="erk", seed=seed)
        )
        test = bench.accuracy(bench.fit(bench.model(start, masks), seed))
        yield {
            "sparsity": sparsity,
            "width": width,
            "dense": dense,
            "test": test,
            "gap": test - dense,
        }


def report(found):
    """Returns the tables of all seeds, a list of results, in Markdown."""
    gaps = over_seeds.columns(found, "gap")
    table = zip(
        [f"{100 * row['sparsity']:g} %" for row in found[0]],
        [f"{row['width']:g}" for row in found[0]],
        *(over_seeds.means(found, name) for name in ("dense", "test", "gap")),
        over_seeds.verdicts(gaps),
        strict=True,
    )
    head = ["sparsity", "width", "dense %", "random %", "gap", "beside dense"]
    lines = [tables.markdown(head, table, words=2), ""]
    widths = over_seeds.columns(found, "width")
    for share, rows in itertools.groupby(
        range(len(found[0])), key=lambda i: found[0][i]["sparsity"]
    ):
        rows = list(rows)
        said = over_seeds.correlation(widths[rows], gaps[rows])
        lines.append(
            f"Rank correlation of width and gap at {100 * share:g} %: {said}."
        )
    return (
        "Width 1 is 300 and 100 hidden units; a gap is in points.\n\n"
        + "\n".join(lines)
    )
