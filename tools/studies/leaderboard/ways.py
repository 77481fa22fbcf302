"""How each kind of method spends the budget.

Each function returns a function of (bench, sparsity, seed) to a trained model
with masks. The budget is `bench.steps` steps of training for all.
"""

import math

import numpy as np

import kprune
from kprune import callbacks
from kprune.masking import weights
from leaderboard.bench import LOSS

EXAMPLES = 1280  # Training images that scores read, of each seed others.
_UPDATES = 18  # Of masks, through the budget, where a method has a period.


def dense():
    """No pruning: the whole budget."""

    def run(bench, sparsity, seed):
        del sparsity
        return bench.fit(bench.model(bench.initial(seed)), seed)

    return run


def before(method, shuffled=False, **options):
    """Pruning at initialization, then the whole budget; `shuffled`: the masks
    are permuted within each layer."""

    def run(bench, sparsity, seed):
        initial = bench.initial(seed)
        pruned = _prune(bench, initial, method, sparsity, seed, options)
        masks = kprune.get_masks(pruned)
        if shuffled:
            masks = kprune.sanity.shuffle(masks, seed=seed)
        return bench.fit(bench.model(initial, masks), seed)

    return run


def after(method, **options):
    """Half of the budget dense, pruning, and half on the kept weights at the
    same rates again."""

    def run(bench, sparsity, seed):
        trained = bench.trained(seed)
        pruned = _prune(bench, trained, method, sparsity, seed, options)
        return _second_half(bench, pruned, kprune.get_masks(pruned), seed)

    return run


def rewound(criterion):
    """Masks of zhou_masks from half of the budget, then the initial weights
    under these masks for the other half."""

    def run(bench, sparsity, seed):
        initial = bench.initial(seed)
        first, last = map(_weights, (initial, bench.trained(seed)))
        masks = kprune.tickets.zhou_masks(
            first, last, criterion, sparsity, seed=seed
        )
        return _second_half(bench, initial, masks, seed)

    return run


def dynamic(method, updates=_UPDATES, sets_sparsity=False):
    """`DynamicSparseTraining` through the whole budget, from random masks by
    ERK, or from a dense network if the method sets the sparsity itself.

    Args:
        updates: Integer, how many periods of the masks the budget has; `None`
            for methods that have no period.
    """

    def run(bench, sparsity, seed):
        initial, own, masks = bench.initial(seed), {}, None
        if updates:
            own["every"] = _period(bench, updates)
        if sets_sparsity:
            own["sparsity"] = sparsity
        else:
            how = {"allocation": "erk"}
            random = _prune(bench, initial, "random", sparsity, seed, how)
            masks = kprune.get_masks(random)
        callback = callbacks.DynamicSparseTraining(method, seed=seed, **own)
        return bench.fit(bench.model(initial, masks), seed, callback)

    return run


def gradual(method, options):
    """`GradualPruning` through the whole budget; `options` is a function of
    the bench and the sparsity."""

    def run(bench, sparsity, seed):
        own = options(bench, sparsity)
        callback = callbacks.GradualPruning(method, seed=seed, **own)
        return bench.fit(bench.model(bench.initial(seed)), seed, callback)

    return run


def gmp_options(bench, sparsity):
    return {"sparsity": sparsity, "every": _period(bench)}


def asni_options(bench, sparsity):
    """Returns alpha, so that the sigmoid meets the sparsity after the last
    epoch but one."""
    epochs = bench.network.epochs
    gamma = epochs / 20
    reached = 1 / (1 + math.exp(-(epochs / 2 - 1) / gamma))
    return {
        "alpha": 100 * sparsity / reached,
        "gamma": gamma,
        "last_prune_epoch": epochs - 1,
    }


def movement(**options):
    """Movement pruning while the second half of the budget fine-tunes."""

    def run(bench, sparsity, seed):
        callback = callbacks.MovementPruning(
            sparsity, every=_period(bench), seed=seed, **options
        )
        return _second_half(bench, bench.trained(seed), None, seed, callback)

    return run


def growing(method, **options):
    """A penalty that grows through a quarter of the budget, of a network that
    half of it has trained; of `"dlth"` at initialization, half and half."""

    def run(bench, sparsity, seed):
        first = method == "dlth"
        room = bench.steps // (2 if first else 4)
        own = dict(options)
        if method == "greg2":  # First the penalty of all grows.
            room //= 2
            own |= {"pick_ceiling": 1e-2, "pick_increment": 1e-2 / (room - 1)}
        callback = callbacks.GrowingRegularization(
            method,
            sparsity,
            every=1,
            increment=1 / (room - room // 8 - 1),
            stabilize=room // 8,
            seed=seed,
            **own,
        )
        if first:
            model = bench.model(bench.initial(seed))
            return bench.fit(model, seed, callback)
        return _second_half(bench, bench.trained(seed), None, seed, callback)

    return run


def early_bird():
    """Early birds of single weights by magnitude, from the weights at which
    they emerge, or from the last epoch but one."""

    def run(bench, sparsity, seed):
        epochs = bench.network.epochs
        found = callbacks.EarlyBird("magnitude", sparsity, window=2, seed=seed)
        model = bench.model(bench.initial(seed))
        bench.fit(model, seed, found, end=epochs - 1)
        masks, epoch = found.masks, found.emerged_epoch
        if masks is None:
            epoch = epochs - 1
            pruned = _prune(bench, model, "magnitude", sparsity, seed, {})
            masks = kprune.get_masks(pruned)
        kprune.set_masks(model, masks)
        return bench.fit(model, seed, begin=epoch)

    return run


def selected(method):
    """Frozen weights, of which a subset is learned in the whole budget."""

    def run(bench, sparsity, seed):
        initial = bench.initial(seed)
        model = kprune.select(initial, method, sparsity, seed=seed)
        bench.fit(bench.compiled(model), seed)
        return kprune.learned.to_masked(model)

    return run


def tickets(**options):
    """Three levels of iterative pruning, each level and the dense network
    with a quarter of the budget."""

    def run(bench, sparsity, seed):
        epochs = bench.network.epochs // 4
        training = kprune.tickets.Training(
            lambda step: bench.data(seed, step).repeat(),
            epochs,
            steps_per_epoch=bench.steps_per_epoch,
            seed=seed,
            verbose=0,
        )
        model = bench.compiled(bench.network.build(seed), 4)
        share = 1 - (1 - sparsity) ** (1 / 3)
        *_, last = kprune.tickets.imp(
            model, training, levels=3, fraction=share, **options
        )
        return last.model

    return run


def _prune(bench, model, method, sparsity, seed, options):
    """Returns a pruned copy of a model, scored on images of the seed."""
    x, y = bench.train
    chosen = np.random.default_rng(seed).permutation(len(x))[:EXAMPLES]
    return kprune.prune(
        model,
        method,
        sparsity,
        data=(x[chosen], y[chosen]),
        loss=LOSS,
        on_collapse="ignore",
        seed=seed,
        prove=False,
        verbose=0,
        **options,
    )


def _second_half(bench, start, masks, seed, *others):
    model = bench.model(start, masks, parts=2)
    half = bench.network.epochs // 2
    return bench.fit(model, seed, *others, begin=half)


def _period(bench, updates=_UPDATES):
    return max(1, bench.steps // updates)


def _weights(model):
    """Returns the values of the prunable weights of a model, by name."""
    found = weights.prunable(model).items()
    return {name: weight.variable.numpy() for name, weight in found}
