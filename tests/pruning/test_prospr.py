"""ProsPr: the adjoint is exact, the steps are those of training."""

import keras
import numpy as np
import pytest
from networks import CE, examples

import kprune
from kprune.pruning.criteria.prospr import prospr
from kprune.runtime import disk_list
from kprune.scoring.config import ScoringConfig
from kprune.scoring.objective import Objective


def tiny_resnet():
    keras.utils.set_random_seed(4)
    layers = keras.layers

    def conv(h, filters, strides=1, size=3):
        h = layers.Conv2D(
            filters, size, strides, padding="same", use_bias=False
        )(h)
        return layers.BatchNormalization()(h)

    inputs = keras.Input((8, 8, 3))
    h = layers.ReLU()(conv(inputs, 4))
    for filters, strides in ((4, 1), (6, 2)):
        out = conv(layers.ReLU()(conv(h, filters, strides)), filters)
        skip = h if strides == 1 else conv(h, filters, strides, size=1)
        h = layers.ReLU()(layers.Add()([out, skip]))
    h = layers.GlobalAveragePooling2D()(h)
    return keras.Model(inputs, layers.Dense(5, name="fc")(h))


def data(count=6):
    x, y = examples(16 * count, 8, 8, 3, classes=5, seed=1)
    return list(zip(np.split(x, count), np.split(y, count), strict=True))


def score(model, count=6, scoring=None, **options):
    criterion = kprune.criteria.get("prospr", **options)
    return kprune.score(
        model, criterion, data=data(count), loss=CE, scoring=scoring
    )


def error(one, other):
    largest = max(np.abs(s).max() for s in other.values())
    return max(np.abs(one[n] - s).max() for n, s in other.items()) / largest


@pytest.mark.parametrize(
    ("steps", "momentum"),
    [
        (3, 0.9),
        *(
            pytest.param(steps, momentum, marks=pytest.mark.slow)
            for steps, momentum in ((1, 0), (1, 0.9), (3, 0), (5, 0), (5, 0.9))
        ),
    ],
)
def test_the_adjoint_is_backpropagation_through_the_steps(steps, momentum):
    model = tiny_resnet()
    options = {"inner_steps": steps, "inner_momentum": momentum}
    adjoint = score(model, **options)
    unrolled = score(model, unrolled=True, **options)
    assert error(adjoint, unrolled) < 1e-5
    assert error(score(model, first_order=True, **options), unrolled) > 1e-2


def test_without_steps_it_is_snip():
    model = tiny_resnet()
    none = score(model, count=1, inner_steps=0)
    snip = kprune.score(model, "snip", data=data(1), loss=CE)
    assert error(none, snip) == 0
    again = score(model, count=1, inner_steps=0, unrolled=True)
    assert error(again, none) < 1e-6


@pytest.mark.parametrize("method", ["force", "iter_snip"])
def test_force_and_iter_snip_of_one_round_are_snip(method):
    model = tiny_resnet()

    def masks(method, **options):
        pruned = kprune.prune(
            model, method, 0.9, data=data(1), loss=CE, **options
        )
        return kprune.get_masks(pruned)

    snip = masks("snip")
    assert kprune.masks.overlap(masks(method, rounds=1), snip) == 1
    assert kprune.masks.overlap(masks(method, rounds=10), snip) < 1


def test_biases_and_batch_norm_make_the_inner_steps_too():
    model = tiny_resnet()
    objective = Objective(model, data(2), CE)
    others = {name.split("/")[-1] for name in objective.others}
    assert others == {"gamma", "beta", "bias"}
    # Frozen, they stay, and the scores are others.
    free = score(model, inner_steps=1)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.trainable = layer.beta.trainable = False
    model.get_layer("fc").bias.trainable = False
    assert Objective(model, data(2), CE).others == {}
    assert error(score(model, inner_steps=1), free) > 1e-3


@pytest.mark.slow
def test_inner_steps_take_fresh_batches_or_all_each_time():
    model, batches = tiny_resnet(), data(3)

    def steps(batches, **options):
        return kprune.score(
            model, "prospr", data=batches, loss=CE, inner_steps=2, **options
        )

    fresh = steps(batches)
    a, b, c = batches
    assert error(steps([a, b, c, a]), fresh) == 0  # Only three are needed.
    assert error(steps([a, b]), steps([a, b, a])) == 0  # They start over.
    assert error(steps([a, c, b]), fresh) > 1e-3
    same = steps([a], fresh_batches=False)
    assert error(steps([a, a, a]), same) == 0
    whole = [tuple(np.concatenate(p) for p in zip(a, b, strict=True))]
    moving = {"batch_norm": "eval"}
    both = steps([a, b], fresh_batches=False, scoring=moving)
    assert error(steps(whole, scoring=moving), both) < 1e-5


@pytest.mark.slow
def test_the_released_code_takes_the_first_velocity_for_a_constant():
    model = tiny_resnet()
    one = {"inner_steps": 1, "inner_momentum": 0.9}
    # With one step nothing of second order is left.
    detached = score(model, detached=True, **one)
    assert error(detached, score(model, first_order=True, **one)) == 0
    two = {"inner_steps": 2, "inner_momentum": 0.9}
    assert error(score(model, detached=True, **two), score(model, **two)) > 1e-2
    unrolled = score(model, detached=True, unrolled=True, **two)
    assert error(score(model, detached=True, **two), unrolled) < 1e-5
    # Without momentum there is no such defect.
    plain = score(model, inner_steps=2)
    assert error(score(model, inner_steps=2, detached=True), plain) == 0


def test_a_pruned_weight_stays_pruned_in_the_inner_steps():
    model = kprune.prune(tiny_resnet(), "random", 0.5)
    objective = Objective(model, data(2), CE)
    seen = []
    gradient = objective.gradient

    def spy(w, temperature=None):
        seen.append(w)
        return gradient(w, temperature)

    objective.gradient = spy

    def scored(**options):
        found = prospr(
            objective,
            objective.weights,
            objective.masks,
            inner_steps=2,
            fresh_batches=False,
            **options,
        )
        return {name: np.asarray(s) for name, s in found.items()}

    scores = scored()
    assert len(seen) == 3
    for w in seen:
        for name, mask in objective.masks.items():
            assert not np.asarray(w[name])[~mask].any()
    moved = np.abs(np.asarray(seen[2]["fc/kernel"] - seen[0]["fc/kernel"]))
    assert moved.max() > 0
    assert error(scores, scored(unrolled=True)) < 1e-5


def test_the_points_of_the_steps_may_lie_on_disk(monkeypatch):
    model = tiny_resnet()
    in_memory = score(model, inner_steps=4)
    monkeypatch.setattr(disk_list.Spool.__init__, "__defaults__", (0,))
    assert error(score(model, inner_steps=4), in_memory) == 0


def test_structured_prospr_ranks_channels_by_the_sum_with_its_sign():
    model = tiny_resnet()
    options = {"inner_steps": 1}
    options |= {"structured": True}
    pruned = kprune.prune(
        model, "prospr", 0.5, data=data(2), loss=CE, **options
    )
    signed = score(model, count=2, signed=True, inner_steps=1)
    masks = kprune.get_masks(pruned)
    names = [x.name for x in model.layers if "conv" in x.name]
    stem, a, b, c, d, skip = sorted(names, key=lambda n: (len(n), n))
    # The stem is added to b, the projection on the skip connection to d.
    tied = [(stem, b), (a,), (c,), (d, skip)]
    sums = {
        names: np.abs(
            sum(signed[f"{n}/kernel"].sum(axis=(0, 1, 2)) for n in names)
        )
        for names in tied
    }
    order = np.sort(np.concatenate(list(sums.values())))
    border = order[len(order) // 2]
    for names, values in sums.items():
        for name in names:
            kept = masks[f"{name}/kernel"].any(axis=(0, 1, 2))
            np.testing.assert_array_equal(kept, values >= border)
    read = masks["fc/kernel"].all(axis=1)
    np.testing.assert_array_equal(read, sums[d, skip] >= border)


@pytest.mark.slow
def test_the_calls_of_the_readme_work():
    for method, options in (
        ("prospr", {"inner_steps": 3, "inner_learning_rate": 0.1}),
        (kprune.recipes.prospr(inner_steps=8), {}),
        (kprune.recipes.prospr(inner_steps=2, released_code=True), {}),
    ):
        pruned = kprune.prune(
            tiny_resnet(), method, 0.95, data=data(2), loss=CE, **options
        )
        assert kprune.report(pruned).kept in (50, 51)  # 5 % of 990 is 49.5.
    model = tiny_resnet()
    one, two = (
        score(model, scoring=ScoringConfig(precision="float64")),
        score(model),
    )
    assert one["fc/kernel"].dtype == np.float64
    assert 0 < error(two, one) < 1e-2
