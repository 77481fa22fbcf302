"""The architecture search: widths of hidden layers, chosen without training.

Architectures are compared on training images that are held out, and the one
that is best there is tested.
"""

import itertools

import kprune
from kprune.pruning.chain import Chain
from kprune.pruning.granularity import Channel
from kprune.pruning.pruner import Pruner
from kprune.pruning.recipes.neurons import earlier_magnitude
from ossum import networks

_OF_THE_BEST = ("widths", "removed", "validation", "test")


def search(model, experiment, seed, data):
    """Prunes a network to all combinations of widths; arguments are as in
    `deep`.

    `experiment` is a dict with `widths`, those that each hidden layer may have,
    `methods`, of a recipe that ends in `_norm` or prune-and-build,
    `validation`, how many of the last training images are held out, and
    `examples`, how many of the first are scored on.

    Returns:
        Dict with `points`: from method to a list of (share of the parameters
        removed, accuracy on what is held out), both in percent; and `best`:
        from method to the widths chosen, these two and the test accuracy.
    """
    (x, y), test = data
    count, held = experiment["examples"], experiment["validation"]
    scored = (x[:-held][:count], y[:-held][:count])
    held_out = (x[-held:], y[-held:])
    layers = model.layers[2:-1]
    grid = list(itertools.product(experiment["widths"], repeat=len(layers)))
    points, best = {}, {}
    for method in experiment["methods"]:
        rows, highest = [], None
        for widths in grid:
            small = _pruned(model, method, widths, scored, seed)
            removed = 100 * (1 - small.count_params() / model.count_params())
            row = (widths, removed, networks.accuracy(small, held_out))
            if highest is None or row[-1] > highest[-1]:
                highest, chosen = row, small
            rows.append(row[1:])
        points[method] = rows
        found = (*highest, networks.accuracy(chosen, test))
        best[method] = dict(zip(_OF_THE_BEST, found, strict=True))
    return {"points": points, "best": best}


def _pruned(model, method, widths, data, seed):
    if method in networks.PAB:
        return networks.built(model, method, widths, data, seed)
    full = model.layers[2].units
    shares = {f"fc{i}": 1 - w / full for i, w in enumerate(widths, start=1)}
    last = f"fc{len(widths)}"
    before = {name: s for name, s in shares.items() if name != last}
    grain = Channel("sum", side="outgoing")
    criterion, share = method.removesuffix("_norm"), {last: shares[last]}
    earlier = Pruner(earlier_magnitude, Channel("l2"), before)
    pruner = Chain((earlier, Pruner(criterion, grain, share)))
    objective = kprune.Objective(model, data, networks.LOSS, seed=seed)
    return networks.sliced(model, pruner.masks(objective, 0.0))
