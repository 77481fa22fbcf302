"""Calls that make callbacks, and use them in a training of one step."""

import functools

import kprune
from faults.arguments.calls import call
from kprune import callbacks
from kprune.callbacks import regularization


def calls(world):
    """Returns calls of the callbacks' constructors, used in `fit`."""
    read = {
        "data": world.data,
        "loss": "sparse_categorical_crossentropy",
        "scoring": {"batches": 1},
        "seed": 0,
    }
    timing = {"begin": 0, "end": "50%", "every": 1}
    return [
        _used(
            world,
            callbacks.GradualPruning,
            method="gmp",
            sparsity=0.5,
            **timing,
            **read,
            granularity="weight",
            allocation="global",
            schedule="cubic",
            recover=False,
            exclude="fc2",
        ),
        _used(
            world,
            callbacks.GradualPruning,
            method="snip",
            sparsity=0.5,
            **read,
        ),
        _used(
            world,
            callbacks.GradualPruning,
            method="asni",
            alpha=98.0,
            beta=0.5,
            gamma=5.0,
            last_prune_epoch=None,
        ),
        _used(
            world,
            callbacks.MovementPruning,
            sparsity=0.5,
            **timing,
            learning_rate=1.0,
            granularity="weight",
            allocation="uniform",
            schedule="cubic",
            exclude="fc2",
            seed=0,
        ),
        _used(
            world,
            callbacks.MovementPruning,
            threshold=0.1,
            penalty=0.5,
        ),
        _used(world, callbacks.SparsityLogger, per_weight=True),
        _used(
            world,
            callbacks.DynamicSparseTraining,
            method="rigl",
            drop_fraction=0.3,
            **timing,
            seed=0,
        ),
        _used(
            world,
            callbacks.DynamicSparseTraining,
            method="set",
            drop_fraction=0.3,
            seed=0,
        ),
        *_updaters(),
        _used(
            world,
            callbacks.EarlyBird,
            method="magnitude",
            sparsity=0.5,
            tolerance=0.1,
            window=2,
            stop=False,
            **read,
            exclude="fc2",
        ),
        _used(
            world,
            callbacks.EarlyCroP,
            method="crop",
            sparsity=0.5,
            latest=1,
            **read,
            exclude="fc2",
        ),
        _used(
            world,
            callbacks.GrowingRegularization,
            method="greg1",
            sparsity=0.5,
            granularity="weight",
            allocation="uniform",
            begin=0,
            every=1,
            increment=1.0,
            ceiling=1.0,
            stabilize=1,
            cycles=1,
            exclude="fc2",
            seed=0,
        ),
        _used(
            world,
            callbacks.GrowingRegularization,
            method="greg2",
            sparsity=0.5,
            every=1,
            increment=1.0,
            stabilize=1,
            pick_increment=0.1,
            pick_ceiling=0.1,
            on_others=-0.1,
            end_ratio=1000,
        ),
        _used(
            world,
            regularization.GroupLasso,
            strength=None,
            ratio=0.2,
            data=world.data,
            weighted=False,
        ),
        _used(
            world,
            kprune.learned.GlobalSelection,
            learned=True,
            sparsity=0.5,
            epochs=1,
        ),
        _used(
            world,
            kprune.learned.WeightRecycling,
            learned=True,
            rate=0.1,
            every=1,
        ),
        call(
            regularization.PenaltySchedule,
            begin=0,
            every=1,
            stabilize=1,
            increment=1.0,
            ceiling=1.0,
            pick_increment=0.0,
            pick_ceiling=0.0,
            on_others=0.0,
            cycles=1,
            ended=None,
        ),
    ]


def _updaters():
    """Calls of dynamic sparse training's methods with their own options."""
    options = {
        "rigl": {"anneal": "cosine", "skip_step": True},
        "snfs": {"drop_fraction": 0.5, "final_drop_fraction": 0.1},
        "dsr": {"target": 5, "threshold": 0.1},
        "dns": {"c": 1.0, "gamma": 1e-4, "power": 1.0},
        "deepr": {"temperature": 1e-8, "l1": 1e-5, "noise": "paper"},
        "mest": {"drop_fraction": 0.2, "lam": 0.01},
        "srigl": {"min_salient": 0.3, "skip_step": False},
        "cht": {"drop_fraction": 0.3},
        "granet": {"sparsity": 0.9, "final_drop_fraction": 0.1, "until": 0.7},
        "acdc": {"sparsity": 0.9},
        "dpf": {"sparsity": 0.9, "until": 0.5},
        "top_kast": {"extra": 0.1, "penalty": 1e-4},
    }
    return [
        call(
            functools.partial(callbacks.DynamicSparseTraining, method),
            f"DynamicSparseTraining({method!r})",
            **given,
        )
        for method, given in options.items()
    ]


def _used(world, kind, learned=False, **arguments):
    """Returns the call of a callback's constructor, and of `fit` with it."""
    model = world.learned if learned else world.wrapped

    def made_and_used(**given):
        callback = kind(**given)
        batches = world.batches().take(1)
        model.fit(batches, epochs=3, callbacks=[callback], verbose=0)
        return callback

    name = f"{kind.__qualname__} in fit"
    return call(made_and_used, name, changes=True, heavy=True, **arguments)
