"""Accuracy after pruning, as it is and with batch normalization measured anew.

Pruned once by magnitude and not trained further, so that what changes is what
`kprune.kept_weights.recalibrate` does.
"""

import kprune
from evaluations import over_seeds
from kprune.runtime import tables
from leaderboard import networks
from leaderboard.bench import Bench

TITLE = "Recalibration of batch normalization"
_SPARSITIES = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9)
_NETWORK = networks.Network(
    lambda seed: kprune.models.resnet_cifar(
        8, classes=10, input_shape=(8, 8, 1), seed=seed
    ),
    "digits",
    epochs=16,
    rate=0.1,
    batch_size=64,
)


def measured(seed, data_dir, quick):
    """Returns a list of dicts, one for each sparsity."""
    data = networks.load(_NETWORK, data_dir)
    bench = Bench(_NETWORK, data)
    end = 2 if quick else None
    trained = bench.fit(bench.model(bench.initial(seed)), seed, end=end)
    found = []
    for sparsity in _SPARSITIES[:2] if quick else _SPARSITIES:
        model = kprune.prune(trained, "magnitude", sparsity, prove=False)
        raw = bench.accuracy(model)
        kprune.kept_weights.recalibrate(model, data=bench.train)
        after = bench.accuracy(model)
        row = {"sparsity": sparsity, "dense": bench.accuracy(trained)}
        found.append(row | {"raw": raw, "after": after, "gain": after - raw})
    return found


def report(found):
    """Returns the tables of all seeds, a list of results, in Markdown."""
    table = zip(
        [f"{100 * row['sparsity']:g} %" for row in found[0]],
        *(over_seeds.means(found, name) for name in ("raw", "after", "gain")),
        over_seeds.verdicts(over_seeds.columns(found, "gain")),
        strict=True,
    )
    head = ["sparsity", "raw %", "recalibrated %", "gain", "beside raw"]
    dense = tables.mean(over_seeds.columns(found, "dense")[0])
    return f"Dense: {dense} %.\n\n{tables.markdown(head, table)}"
