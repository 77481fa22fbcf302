"""Costs in place of a sparsity: as much is kept as fits, and no more."""

import keras
import numpy as np
import pytest
from networks import sequential

import kprune
from kprune.pruning import target

layers = keras.layers


def net():
    """8 x 8 x 3 -> 6 x 6 x 8 -> 4 x 4 x 8 -> 8 -> 5, with biases."""
    return sequential(
        (8, 8, 3),
        layers.Conv2D(8, 3, name="a"),
        layers.BatchNormalization(name="bn"),
        layers.ReLU(name="relu"),
        layers.Conv2D(8, 3, name="b"),
        layers.GlobalAveragePooling2D(name="pool"),
        layers.Dense(5, name="c"),
        seed=2,
    )


def units(masks):
    return [masks[f"{n}/kernel"].any((0, 1, 2)).sum() for n in "ab"]


def kept(model):
    return units(kprune.get_masks(model))


def multiply_adds(a, b):
    return 36 * 27 * a + 16 * 9 * a * b + b * 5


def parameters(a, b):
    return 27 * a + a + 4 * a + 9 * a * b + b + b * 5 + 5


COST = {"flops": multiply_adds, "parameters": parameters}


@pytest.mark.parametrize("kind", COST)
@pytest.mark.parametrize("left", [0.15, 0.5, 0.8])
def test_channels(kind, left):
    options = {"granularity": "channel", "min_kept": 1}
    pruned = kprune.prune(net(), "magnitude", target={kind: left}, **options)
    cost, budget = COST[kind], left * COST[kind](8, 8)
    a, b = kept(pruned)
    assert cost(a, b) <= budget < cost(a + 1, b + 1)
    # One group more, as the ranking has it, would be too much.
    sparsity = 1 - (a + b + 1) / 16
    more = kprune.prune(net(), "magnitude", sparsity, **options)
    assert cost(*kept(more)) > budget
    if kind == "parameters":  # And it is what the smaller model has.
        small = kprune.shrink(pruned, verbose=0)
        assert small.count_params() == parameters(a, b)


def test_single_weights():
    pruned = kprune.prune(net(), "magnitude", target={"parameters": 0.3})
    # 832 prunable weights and 53 others, which stay: of 885, 265 may be left.
    total = 216 + 576 + 40 + 8 + 8 + 5 + 32
    sizes = [m.sum() for m in kprune.get_masks(pruned).values()]
    assert sum(sizes) == int(0.3 * total) - (8 + 8 + 5 + 32)


def test_flops_of_single_weights_count_uses():
    pruned = kprune.prune(net(), "magnitude", target={"flops": 0.25})
    report = kprune.report(pruned)
    assert report.sparse_multiply_adds <= 0.25 * report.multiply_adds
    assert report.sparse_multiply_adds + 36 > 0.25 * report.multiply_adds


def test_rounds_share_the_cost_out():
    seen = []

    def spy(objective, weights, masks):
        seen.append(multiply_adds(*units(masks)) / multiply_adds(8, 8))
        return {name: abs(np.asarray(w)) for name, w in weights.items()}

    pruner = kprune.Pruner(spy, "channel", schedule="linear", rounds=3)
    pruned = kprune.prune(net(), pruner, target={"flops": 0.4})
    assert seen[0] == 1 and 0.7 < seen[1] <= 0.8 and 0.5 < seen[2] <= 0.6
    assert multiply_adds(*kept(pruned)) <= 0.4 * multiply_adds(8, 8)


@pytest.mark.parametrize(
    "given, told",
    [
        ({"sparsity": 0.5, "target": {"flops": 0.5}}, "place of a sparsity"),
        ({"target": {"flop": 0.5}}, "Did you mean 'flops'"),
        ({"target": {"flops": 1.5}}, "share to leave"),
        ({"target": {"flops": True}}, "share to leave"),
        ({"target": 0.5}, "Expected a dict"),
        ({"target": {"flops": 0.5, "parameters": 0.5}}, "one entry"),
        ({"target": {"parameters": 0.01}}, "cannot be met"),
        (
            {"target": {"flops": 0.5}, "granularity": "2:4"},
            "place of a sparsity",
        ),
    ],
)
def test_bad_targets(given, told):
    with pytest.raises(ValueError, match=told):
        kprune.prune(net(), "magnitude", **given)


def test_a_target_is_a_value():
    one = target.get({"flops": 0.5})
    assert target.get(one) == one == target.Target("flops", 0.5)


def test_what_is_drawn_is_told_of_once():
    def equal(objective, weights, masks):
        return {name: np.ones(w.shape) for name, w in weights.items()}

    with pytest.warns(UserWarning, match="drawn among others") as told:
        kprune.prune(net(), equal, target={"flops": 0.5}, granularity="channel")
    assert len([w for w in told if "drawn among" in str(w.message)]) == 1
