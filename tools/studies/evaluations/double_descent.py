"""Sparse double descent: a network trained on wrong labels, and pruned.

He et al., 2022, https://arxiv.org/abs/2206.08684: with wrong labels, accuracy
on the test set first falls with the sparsity, then rises, and falls at last;
the distance that the weights move from their initial values goes with it.
"""

import numpy as np

import kprune
from evaluations import over_seeds
from kprune.masking import weights
from kprune.runtime import seeds, tables
from leaderboard import networks
from leaderboard.bench import Bench

TITLE = "Sparse double descent"
_NOISE = 0.4
_SPARSITIES = (0, 0.5, 0.75, 0.875, 0.94, 0.97, 0.985, 0.99, 0.995, 0.998)
_NETWORK = networks.Network(
    lambda seed: kprune.models.lenet_300_100(seed=seed),
    "mnist",
    epochs=40,
    rate=0.05,
    examples=4000,
)


def measured(seed, data_dir, quick):
    """Returns a list of dicts, one for each sparsity.

    Each network is pruned by magnitude from the trained one before it, and
    trained anew from the initial weights, as tickets are.
    """
    network = networks.QUICK if quick else _NETWORK
    (x, y), test = networks.load(network, data_dir)
    noisy = relabel(y, _NOISE, seed)
    bench = Bench(network, ((x, noisy), test))
    start = bench.initial(seed)
    model, masks, found = None, None, []
    for sparsity in _SPARSITIES[:3] if quick else _SPARSITIES:
        if model is not None:
            pruned = kprune.prune(model, "magnitude", sparsity, prove=False)
            masks = kprune.get_masks(pruned)
        model = bench.fit(bench.model(start, masks), seed)
        found.append(
            {
                "sparsity": sparsity,
                "test": bench.accuracy(model),
                "train": bench.accuracy(model, (x, noisy)),
                "distance": distance(start, model),
            }
        )
    return found


def relabel(y, share, seed):
    """Returns labels of which a share is replaced by another class."""
    rng = seeds.stream(seed, "wrong labels")
    y, classes = np.array(y), int(np.max(y)) + 1
    chosen = rng.permutation(len(y))[: round(share * len(y))]
    y[chosen] = (y[chosen] + rng.integers(1, classes, len(chosen))) % classes
    return y


def distance(start, model):
    """Returns the L2 distance of the kept weights and biases from their
    initial values."""
    first, plain = kprune.strip(start, False), kprune.strip(model, False)
    masks = kprune.get_masks(model)
    kept = {
        id(weight.variable): masks[name]
        for name, weight in weights.prunable(first).items()
    }
    total = 0.0
    pairs = zip(
        first.trainable_variables, plain.trainable_variables, strict=True
    )
    for before, after in pairs:
        moved = (after.numpy() - before.numpy()) * kept.get(id(before), 1)
        total += float(np.sum(moved**2))
    return total**0.5


def report(found):
    """Returns the tables of all seeds, a list of results, in Markdown."""
    test = over_seeds.columns(found, "test")
    gains = test - test[:1]
    said = ["", *over_seeds.verdicts(gains[1:])]
    table = zip(
        [f"{100 * row['sparsity']:g} %" for row in found[0]],
        *(
            over_seeds.means(found, name)
            for name in ("test", "train", "distance")
        ),
        said,
        strict=True,
    )
    head = ["sparsity", "test %", "train %", "distance", "test, beside dense"]
    moved = over_seeds.correlation(over_seeds.columns(found, "distance"), test)
    return (
        f"{100 * _NOISE:g} % of the training labels are wrong; the training "
        "accuracy is that on these labels.\n\n"
        f"{tables.markdown(head, table)}\n\n"
        f"Rank correlation of distance and test accuracy: {moved}."
    )
