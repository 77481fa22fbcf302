"""Exploration: the share of weights that were ever active, and accuracy.

Liu et al., 2021, https://arxiv.org/abs/2102.02887 (ITOP), call the share R_s;
`kprune.callbacks.DynamicSparseTraining` logs it as `exploration`.
"""

import dataclasses
import itertools

import kprune
from evaluations import over_seeds
from kprune.runtime import tables
from leaderboard import networks
from leaderboard.bench import Bench

TITLE = "Exploration and accuracy"
_SPARSITY = 0.98
_WAYS = (
    ("static", None),
    *itertools.product(("set", "rigl"), (256, 64, 16, 4)),
)


def measured(seed, data_dir, quick):
    """Returns a list of dicts, one for each method and period."""
    network = networks.NETWORKS["lenet_300_100"]
    network = dataclasses.replace(network, examples=16_384)
    network = networks.QUICK if quick else network
    bench = Bench(network, networks.load(network, data_dir))
    start, found = bench.initial(seed), []
    masks = kprune.get_masks(
        kprune.prune(start, "random", _SPARSITY, allocation="erk", seed=seed)
    )
    for method, every in _WAYS[:3] if quick else _WAYS:
        # The quick form has 16 steps.
        own = {} if every is None else {"every": 4 if quick else every}
        callback = kprune.callbacks.DynamicSparseTraining(
            method, seed=seed, **own
        )
        model = bench.fit(bench.model(start, masks), seed, callback)
        found.append(
            {
                "way": method if every is None else f"{method}, {every}",
                "exploration": 100 * callback.exploration,
                "test": bench.accuracy(model),
            }
        )
    return found


def report(found):
    """Returns the tables of all seeds, a list of results, in Markdown."""
    test = over_seeds.columns(found, "test")
    said = ["", *over_seeds.verdicts(test[1:] - test[:1])]
    table = zip(
        [row["way"] for row in found[0]],
        over_seeds.means(found, "exploration"),
        over_seeds.means(found, "test"),
        said,
        strict=True,
    )
    head = ["method, period", "R_s %", "test %", "test, beside static masks"]
    explored = over_seeds.correlation(
        over_seeds.columns(found, "exploration"), test
    )
    return (
        f"{100 * _SPARSITY:g} % sparse, from random masks by ERK; a period in "
        f"steps.\n\n{tables.markdown(head, table)}\n\n"
        f"Rank correlation of R_s and test accuracy: {explored}."
    )
