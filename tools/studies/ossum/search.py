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


def search(model, experiment, seed, data):
    """Prunes a network to all combinations of widths.

    Args:
        model: A plain network of `kprune.models.fc`, untrained.
        experiment: Dict with `widths`, a list of the widths that each hidden
            layer may have; `methods`, of a recipe that ends in `_norm` or
            prune-and-build; `validation`, how many of the last training
            images are held out; `examples`, how many of the first are scored
            on.
        seed: Integer, for what methods draw.
        data: ((x, y), (x_test, y_test)).

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
        rows, chosen = [], None
        for widths in grid:
            small = _pruned(model, method, widths, scored, seed)
            removed = 100 * (1 - small.count_params() / model.count_params())
            accuracy = networks.accuracy(small, held_out)
            rows.append((removed, accuracy))
            if not best.get(method) or accuracy > best[method]["validation"]:
                best[method] = {
                    "widths": widths,
                    "removed": removed,
                    "validation": accuracy,
                }
                chosen = small
        points[method] = rows
        best[method]["test"] = networks.accuracy(chosen, test)
    return {"points": points, "best": best}


def _pruned(model, method, widths, data, seed):
    if method in networks.PAB:
        return networks.built(model, method, widths, data, seed)
    full = model.layers[2].units
    shares = {f"fc{i}": 1 - w / full for i, w in enumerate(widths, start=1)}
    last = f"fc{len(widths)}"
    before = {name: s for name, s in shares.items() if name != last}
    pruner = Chain(
        (
            Pruner(earlier_magnitude, Channel("l2"), before),
            Pruner(
                method.removesuffix("_norm"),
                Channel("sum", side="outgoing"),
                {last: shares[last]},
            ),
        )
    )
    objective = kprune.Objective(model, data, networks.LOSS, seed=seed)
    return networks.sliced(model, pruner.masks(objective, 0.0))
