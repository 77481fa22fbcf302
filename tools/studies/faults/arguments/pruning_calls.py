"""Calls that choose what to prune: `prune`, `score`, `Pruner`, objectives."""

import functools

import numpy as np

import kprune
from faults.arguments.calls import Fresh, call, method

_CONFIG = {"batches": 1, "batch_size": 4}


def _scores(objective, weights, masks):
    return {name: abs(w) for name, w in weights.items()}


def calls(world):
    """Returns calls of what prunes."""
    return [
        *_values(),
        *_prune(world),
        *_objective(world),
        *_own(world),
    ]


def _values():
    axes = {
        "granularity": "weight",
        "allocation": "erk",
        "schedule": "cubic",
        "rounds": 2,
        "recover": False,
        "exclude": "fc1",
        "sequential": False,
    }
    return [
        call(
            kprune.Pruner,
            criterion="snip",
            **axes,
            fresh_batches=False,
            scoring=_CONFIG,
            count="round",
            after_pruning=kprune.kept_weights.rescale_variance,
        ),
        method(
            lambda: kprune.Pruner("snip").with_axes, "Pruner.with_axes", **axes
        ),
        call(kprune.Chain, pruners=(kprune.Pruner("snip"),)),
        call(
            kprune.ScoringConfig,
            batches=1,
            batch_size=4,
            per_class=None,
            reduce="abs_of_mean",
            batch_norm="train",
            dropout=False,
            objective="loss",
            temperature=1.0,
            precision="float32",
            added_losses=False,
        ),
        method(
            lambda: kprune.ScoringConfig().merge,
            "ScoringConfig.merge",
            base=kprune.ScoringConfig(),
        ),
        call(kprune.NM, n=2, m=4),
        call(kprune.Block, shape=(2, 1), reduce="mean"),
        call(kprune.Kernel, reduce="mean"),
        call(kprune.ResidualBlock, reduce="mean"),
        call(
            kprune.Channel,
            reduce="mean",
            output_layer=False,
            side="incoming",
            per=None,
            tied=True,
        ),
        call(
            kprune.recipes.EpochSchedule,
            pruner=kprune.Pruner("magnitude"),
            sparsity=lambda epoch, epochs: 0.5,
            last_epoch=lambda epochs: 1,
        ),
    ]


def _prune(world):
    plain = {"model": world.model, "method": "magnitude", "sparsity": 0.5}
    read = {
        "data": world.data,
        "loss": "sparse_categorical_crossentropy",
        "scoring": _CONFIG,
        "seed": 0,
    }
    further = {
        "min_kept": 1,
        "on_collapse": "warn",
        "prove": False,
        "verbose": 0,
    }

    own = functools.partial(kprune.prune, inplace=True)
    in_place = {**plain, "model": Fresh(lambda: world.own), "verbose": 0}

    return [
        call(
            kprune.prune,
            **plain,
            **further,
            seed=0,
            granularity="weight",
            allocation="global",
            schedule="one_shot",
            rounds=1,
            recover=False,
            exclude="fc2",
            sequential=False,
        ),
        call(kprune.prune, heavy=True, **{**plain, "method": "snip"}, **read),
        call(
            kprune.prune,
            model=world.conv,
            target={"parameters": 0.7},
            granularity="channel",
            prove=False,
        ),
        call(kprune.prune, **plain, inplace=False, verbose=0),
        call(own, "prune in place", changes=True, **in_place),
        call(kprune.score, model=world.model, method="magnitude", seed=0),
        call(
            kprune.score,
            heavy=True,
            model=world.model,
            method="grasp",
            **read,
            temperature=2.0,
        ),
        *_criteria(world),
        call(
            kprune.prune_and_build,
            heavy=True,
            widths=(3,),
            build=4,
            data=world.data,
            classes=3,
            activation="tanh",
            initializer=None,
            criterion="ossum",
            seed=0,
        ),
    ]


def _criteria(world):
    """Calls with the options that criteria have of their own."""
    options = {
        "grasp": {"temperature": 2.0, "absolute": True},
        "obd": {"curvature": "hutchinson", "samples": 1},
        "obs": {"damping": 1e-3},
        "prospr": {
            "inner_steps": 1,
            "inner_learning_rate": 0.1,
            "inner_momentum": 0.5,
            "first_order": False,
            "fresh_batches": False,
            "signed": False,
            "detached": False,
            "unrolled": False,
        },
        "ntk_sap": {"epsilon": 0.01, "draws": 1, "examples": 4},
        "phew": {"passed": 0.3},
        "ria": {"power": 0.5},
        "sparsegpt": {"damping": 0.01},
        "wanda": {"cumulative": True},
    }

    def scored(name):
        def score(**given):
            # Of one network, so that it is traced once.
            objective = _made(world)
            criterion = kprune.criteria.get(name, **given)
            return criterion(objective, objective.weights, objective.masks)

        return score

    return [
        call(scored(name), f"criteria.{name}", **given)
        for name, given in options.items()
    ]


def _made(world):
    scoring = kprune.ScoringConfig(batch_size=4)
    return world.once(
        "objective",
        lambda: kprune.Objective(world.model, world.data, scoring=scoring),
    )


def _objective(world):
    def made():
        return _made(world)

    weights = made().weights
    vector = {name: np.ones_like(w) for name, w in weights.items()}
    masks = made().masks
    one = {"weights": weights, "temperature": 1.0}
    return [
        call(
            kprune.Objective,
            model=world.model,
            data=world.data,
            loss="sparse_categorical_crossentropy",
            scoring=kprune.ScoringConfig(),
            seed=0,
            exclude="fc2",
        ),
        method(lambda: made().value, "Objective.value", **one),
        method(lambda: made().gradient, "Objective.gradient", **one),
        method(lambda: made().hvp, "Objective.hvp", **one, vector=vector),
        method(
            lambda: made().saliency,
            "Objective.saliency",
            **one,
            function=lambda gradient: gradient,
        ),
        method(
            lambda: made().squared_gradient, "Objective.squared_gradient", **one
        ),
        method(lambda: made().hessian, "Objective.hessian", **one),
        method(
            lambda: made().inputs,
            "Objective.inputs",
            weights=weights,
            gram=True,
            names=[*weights][:1],
        ),
        method(
            lambda: made().blocks,
            "Objective.blocks",
            weights=weights,
            sequential=False,
        ),
        method(
            lambda: made().flow_scores,
            "Objective.flow_scores",
            weights=weights,
            masks=masks,
        ),
        method(
            lambda: lambda place: made().on(place).value(weights),
            "Objective.on",
            place=0,
        ),
        method(
            lambda: kprune.Pruner("magnitude").masks,
            "Pruner.masks",
            objective=made(),
            sparsity=0.5,
            min_kept=1,
            verbose=0,
        ),
    ]


def _own(world):
    """Calls with functions of the caller's own, of which one is wrong."""

    def with_criterion(criterion):
        return kprune.prune(world.model, criterion, 0.5, verbose=0)

    def with_axis(axis):
        def pruned(value):
            return kprune.prune(
                world.model, "magnitude", 0.5, **{axis: value}, verbose=0
            )

        return pruned

    def after_pruning(value):
        pruner = kprune.Pruner("magnitude", after_pruning=value)
        return kprune.prune(world.model, pruner, 0.5, verbose=0)

    def in_place(value):
        pruner = kprune.Pruner("magnitude", after_pruning=value)
        return kprune.prune(world.own, pruner, 0.5, inplace=True, verbose=0)

    good = {
        "granularity": "weight",
        "allocation": "global",
        "schedule": "linear",
        "exclude": "fc1",
    }
    return [
        call(with_criterion, "prune by a criterion", criterion=_scores),
        *(
            call(with_axis(axis), f"prune with {axis}", value=value)
            for axis, value in good.items()
        ),
        call(after_pruning, "prune with after_pruning", value=None),
        call(
            in_place,
            "prune in place with after_pruning",
            changes=True,
            value=None,
        ),
        call(
            kprune.testing.check_criterion,
            heavy=True,
            criterion="magnitude",
            microbatches=True,
            tolerance=1e-6,
            channels=None,
        ),
    ]
