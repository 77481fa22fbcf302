"""Calls that take no model: names, numbers, arrays, masks, schedules."""

import keras
import numpy as np

import kprune
from faults.arguments.calls import Fresh, call, method
from kprune.training import durations, learning_rates


def calls(world):
    """Returns calls of functions of values."""
    return [
        *_tables(),
        *_schedules(),
        *_allocations(),
        *_masks(world),
        *_sanity(world),
        *_tickets(world),
        *_data(world),
        *_models(),
        *_rates(),
    ]


def _tables():
    return [
        call(kprune.methods, used_by="prune"),
        call(kprune.criteria.get, identifier="grasp", temperature=2.0),
        call(kprune.criteria.entry, criterion="snip"),
        call(kprune.criteria.options, identifier="snip"),
        call(kprune.criteria.on_channels, criterion="snip"),
        call(kprune.granularity.get, identifier="2:4"),
        call(kprune.allocation.get, identifier="erk"),
        call(kprune.allocation.per_layer, table={"fc1": 0.5}),
        call(kprune.allocation.per_outputs, allocation="erk"),
        call(
            kprune.allocation.outlier_weighed,
            multiple=5,
            spread=0.08,
            layers=("fc1",),
            scores={"fc1/kernel": np.ones((4, 6))},
        ),
        call(
            kprune.allocation.smart_ratios,
            curve="linear",
            vgg=False,
            linear=0.3,
        ),
        call(kprune.recipes.get, method="snip", rounds=2, exclude="fc1"),
        call(kprune.recipes.gradual, method="gmp", power=3),
        call(kprune.recipes.gmp, power=3, recover=True),
        call(kprune.recipes.asni, alpha=98.0, beta=0.5, gamma=5.0),
        call(kprune.recipes.force, released_code=True),
        call(kprune.recipes.iter_snip, released_code=True),
        call(kprune.recipes.node_path_balance, alpha=0.01, beta=1.0),
        call(kprune.recipes.three_sp, reinit=True, rescale=False),
        call(kprune.recipes.hybrid_tickets, vgg=True, linear=0.3),
        call(kprune.recipes.random_tickets, vgg=True, linear=0.3),
        call(kprune.datasets.info, name="digits"),
        call(kprune.models.initializers.get, identifier="torch"),
        call(
            kprune.register_layer,
            layer_class=Fresh(lambda: type("Own", (keras.layers.Layer,), {})),
            own=((0,), (1, 2)),
        ),
    ]


def _schedules():
    every = [
        getattr(kprune.schedules, name) for name in kprune.schedules.names()
    ]
    progress = {"progress": 0.5, "final": 0.9, "initial": 0.1}
    return [
        *(call(one, **progress) for one in every),
        call(kprune.schedules.cubic, **progress, power=2),
        call(kprune.schedules.sigmoid, **progress, midpoint=0.5, width=0.1),
        call(
            kprune.schedules.asni,
            epoch=1,
            epochs=5,
            alpha=98.0,
            beta=0.5,
            gamma=5.0,
        ),
        call(kprune.schedules.get, identifier="cubic", power=2),
    ]


def _allocations():
    rng = np.random.default_rng(0)
    groups = {"a": rng.random(6), "b": rng.random(4)}
    given = {
        "groups": groups,
        "sizes": {"a": 6, "b": 4},
        "shapes": {"a": (3, 2), "b": (2, 2)},
        "budget": kprune.masks.Budget(0.5, kprune.schedules.linear, 1, 0),
        "rng": rng,
    }
    names = ("uniform", "erk", "er", "global_", "lamp", "normalized")
    names += ("per_output", "owl")
    return [
        *(call(getattr(kprune.allocation, name), **given) for name in names),
        call(kprune.allocation.smart_ratio, **given),
    ]


def _masks(world):
    masks, weights = world.masks, world.weights
    shaped = dict(zip(masks, weights.values(), strict=True))
    budget = kprune.masks.Budget(0.5, kprune.schedules.linear, 1)
    return [
        call(kprune.masks.count_kept, total=10, sparsity=0.5, rule="round"),
        call(
            kprune.masks.Budget,
            sparsity=0.5,
            schedule=kprune.schedules.linear,
            progress=1,
            minimum=1,
            rule="round",
        ),
        method(
            lambda: budget.keep, "masks.Budget.keep", total=10, sparsity=0.5
        ),
        call(kprune.masks.top_k, scores=np.arange(6.0), k=2, rng=_rng()),
        call(kprune.masks.kth_largest, parts=[np.arange(6.0)], k=2),
        call(kprune.masks.apply, masks=masks, weights=shaped),
        call(kprune.masks.overlap, one=masks, other=masks),
        call(kprune.masks.hamming, one=masks, other=masks),
        call(kprune.masks.save, masks=masks, path="masks.npz"),
        call(kprune.masks.load, path=_saved(masks)),
        call(kprune.analysis.overlaps, masks_by_name={"a": masks, "b": masks}),
        call(
            kprune.kept_weights.Centroids,
            values={"w": (1.0, -1.0)},
            masks={"w": np.array([True])},
            signs={"w": np.array([True])},
        ),
    ]


def _rng():
    return Fresh(lambda: np.random.default_rng(0))


def _saved(masks):
    def make():
        kprune.masks.save(masks, "good.npz")
        return "good.npz"

    return Fresh(make)


def _sanity(world):
    masks = world.masks
    sanity = kprune.sanity
    return [
        call(sanity.shuffle, masks=masks, seed=0, scope="layer"),
        call(sanity.random_same_counts, masks=masks, seed=0),
        call(sanity.corrupt, data=world.data, how="labels", seed=0),
        call(sanity.checked, method="snip", check="shuffle", rounds=2),
        call(sanity.invert, method="snip", rounds=2),
        call(
            sanity.verdict,
            plain=[1, 2, 3],
            checked=[1, 2, 2],
            method="SNIP",
            check="shuffle",
        ),
    ]


def _tickets(world):
    masks = {n: w > 0 for n, w in world.weights.items()}
    both = {"initial": world.weights, "final": world.after}
    return [
        call(
            kprune.tickets.zhou_masks,
            **both,
            criterion="movement",
            sparsity=0.5,
            seed=0,
        ),
        call(
            kprune.tickets.zhou_values,
            **both,
            masks=masks,
            kept="rewind",
            removed="zero",
            seed=0,
        ),
        call(
            kprune.tickets.Training,
            data=world.data,
            epochs=1,
            steps_per_epoch=3,
            validation_data=world.data,
            batch_size=4,
            augment=None,
            directory=None,
            checkpoint="1ep",
            seed=0,
            verbose=0,
        ),
    ]


def _data(world):
    return [
        call(kprune.class_balanced, data=world.data, per_class=2, seed=0),
        call(
            kprune.datasets.load,
            name="digits",
            batch_size=64,
            augment=False,
            normalization="default",
            validation=0.0,
            seed=0,
            data_dir=None,
            drop_remainder=False,
            start=None,
            shard=None,
        ),
        call(
            kprune.datasets.load_arrays,
            name="digits",
            normalization="default",
            data_dir=None,
        ),
    ]


def _models():
    small = {"input_shape": (8, 8, 1), "initializer": "torch", "seed": 0}
    fc = {"widths": (4,), "classes": 3, **small, "name": "net"}
    return [
        call(kprune.models.fc, **fc, activation="tanh"),
        call(kprune.models.get, **{**fc, "name": "fc"}),
        call(kprune.models.lenet_300_100, heavy=True, classes=3, **small),
        call(
            kprune.models.lenet5,
            heavy=True,
            classes=3,
            **{**small, "input_shape": (28, 28, 1)},
            activation="relu",
            name="net",
        ),
        call(
            kprune.models.resnet_cifar,
            heavy=True,
            depth=8,
            classes=3,
            **small,
            width=1,
            shortcut="conv",
            stable=False,
            name="net",
        ),
        call(
            kprune.models.wrn,
            heavy=True,
            depth=10,
            width=1,
            classes=3,
            **small,
            stable=False,
            name="net",
        ),
        call(kprune.models.conv2, heavy=True, classes=3, **small),
    ]


def _rates():
    rates = {"learning_rate": 0.1, "steps_per_epoch": 10, "total_steps": 100}
    return [
        call(
            durations.steps,
            duration="2ep",
            steps_per_epoch=10,
            total_steps=100,
        ),
        call(kprune.training.divisor, number=12, largest=5),
        call(learning_rates.get, spec={"name": "cosine"}, **rates),
        call(learning_rates.constant, **rates),
        call(learning_rates.cosine, **rates, warm_up="1ep", floor=0.0),
        call(learning_rates.step, **rates, every="2ep", factor=0.1),
        call(learning_rates.multi_step, **rates, at=["2ep"], factor=0.1),
        call(learning_rates.asni_cosine, **rates, delta=0.06, curve="half"),
        call(
            learning_rates.AsniCosine,
            learning_rate=0.1,
            steps_per_epoch=10,
            epochs=3,
            delta=0.06,
            curve="half",
        ),
        call(
            kprune.training.TorchSGD,
            learning_rate=0.1,
            momentum=0.9,
            nesterov=True,
            weight_decay=0.1,
        ),
        call(
            kprune.training.SmoothedCrossentropy,
            label_smoothing=0.1,
            reduction="sum_over_batch_size",
            name="loss",
            dtype=None,
        ),
        call(kprune.training.strategy, name="none"),
        call(kprune.callbacks.Checkpoint, directory="run", every=2, keep=2),
        call(kprune.training.CheckpointFiles, directory="run", keep=2),
    ]
