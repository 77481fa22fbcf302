"""Shares of a global target by what was measured to be lost."""

from fractions import Fraction

import numpy as np
import pytest
from networks import CE, dense_net, examples

import kprune
from kprune.masking import masks
from kprune.pruning import allocation, schedules

LEVELS = (0.5, 0.75, 1.0)


def found(losses, sizes, uses=None, mode="min", modes=None):
    """Returns a record of losses by unit, at levels 0.5, 0.75 and 1.0."""
    cells = [
        {
            "unit": name,
            "level": level,
            "metrics": {"loss": loss},
            "removed": int(level * sizes[name]),
            "removed_multiply_adds": uses
            and int(level * sizes[name] * uses[name]),
        }
        for name, row in losses.items()
        for level, loss in zip(LEVELS, row, strict=True)
    ]
    units = [
        {"name": name, "weights": [f"{name}/kernel"], "groups": size}
        for name, size in sizes.items()
    ]
    return {
        "units": units,
        "cells": cells,
        "baseline": {"loss": 0.0, "accuracy": 1.0},
        "modes": {"loss": mode} if modes is None else modes,
    }


def removed(record, sizes, sparsity, alive=None, **options):
    """Returns how many of each weight the allocation removes."""
    groups = {
        f"{name}/kernel": np.zeros((alive or sizes)[name]) for name in sizes
    }
    sizes = {f"{name}/kernel": size for name, size in sizes.items()}
    shapes = {name: (size, 1) for name, size in sizes.items()}
    budget = masks.Budget(sparsity, schedules.one_shot, Fraction(1), 0)
    counts = allocation.sensitivity(record, **options)(
        groups, sizes, shapes, budget, np.random.default_rng(0)
    )
    total = sum(sizes.values())
    assert sum(counts.values()) == masks.count_kept(total, sparsity)
    return [size - counts[name] for name, size in sizes.items()]


SIZES = {"a": 100, "b": 200}
# Prices per weight. a: 1/50, 3/25, 6/25. b: 1/100, 5/50, 20/50.
LOSSES = {"a": (1.0, 4.0, 10.0), "b": (1.0, 6.0, 26.0)}


@pytest.mark.parametrize(
    "gone, expected",
    [
        (0, (0, 0)),
        (60, (0, 60)),  # b at 0.01.
        (100, (0, 100)),
        (120, (20, 100)),  # Then a at 0.02.
        (150, (50, 100)),
        (180, (50, 130)),  # Then b at 0.10.
        (210, (60, 150)),  # Then a at 0.12.
        (250, (100, 150)),  # And at 0.24, before b at 0.40.
        (299, (100, 199)),
    ],
)
def test_the_cheapest_go_first(gone, expected):
    record = found(LOSSES, SIZES)
    assert removed(record, SIZES, Fraction(gone, 300)) == list(expected)


def test_equal_prices_are_shared_in_proportion():
    # Both at 1/100 a weight up to half: 30 of 50 + 100.
    record = found({"a": (0.5, 9.0, 20.0), "b": (1.0, 16.0, 40.0)}, SIZES)
    assert removed(record, SIZES, 0.1) == [10, 20]


def test_no_other_shares_have_a_smaller_sum():
    record = found(LOSSES, SIZES)
    costs = {n: [0, *row] for n, row in LOSSES.items()}

    def loss(name, gone):
        places = [level * SIZES[name] for level in (0, *LEVELS)]
        return np.interp(gone, places, costs[name])

    for total in range(10, 300, 40):
        a, b = removed(record, SIZES, Fraction(total, 300))
        every = [
            loss("a", k) + loss("b", total - k)
            for k in range(101)
            if 0 <= total - k <= 200
        ]
        assert loss("a", a) + loss("b", b) == pytest.approx(min(every))


def test_a_dip_is_bridged():
    # b at 0.5 loses more than at 0.75: the hull goes past it, 3/150 a weight.
    record = found({"a": (1.0, 4.0, 10.0), "b": (5.0, 3.0, 50.0)}, SIZES)
    gone = removed(record, SIZES, Fraction(100, 300))
    assert gone == [25, 75]  # Of 50 and 150 at the same price.


def test_a_metric_of_which_more_is_better():
    losses = {n: [-x for x in row] for n, row in LOSSES.items()}
    record = found(losses, SIZES, mode="max")
    assert removed(record, SIZES, 0.5) == [50, 100]


def test_per_multiply_add():
    # a's weights save ten multiply-adds each: 1/500, 3/250, 6/250 for each.
    record = found(LOSSES, SIZES, uses={"a": 10, "b": 1})
    options = {"per": "flops"}
    assert removed(record, SIZES, Fraction(50, 300), **options) == [50, 0]
    assert removed(record, SIZES, Fraction(150, 300), **options) == [50, 100]
    assert removed(record, SIZES, Fraction(200, 300), **options) == [100, 100]
    # What multiplies nothing goes last.
    record = found(LOSSES, SIZES, uses={"a": 10, "b": 0})
    assert removed(record, SIZES, Fraction(110, 300), **options) == [100, 10]


def test_what_is_gone_already_costs_nothing():
    record = found(LOSSES, SIZES)
    for cell in record["cells"]:
        if cell["unit"] == "a" and cell["level"] == 0.5:
            cell["removed"], cell["metrics"] = 0, {"loss": 0.0}
    alive = {"a": 50, "b": 200}
    assert removed(record, SIZES, Fraction(100, 300), alive) == [50, 50]


def test_a_loss_that_is_not_finite_is_no_level():
    record = found(LOSSES, SIZES)
    for cell in record["cells"]:
        if cell["unit"] == "b" and cell["level"] > 0.5:
            cell["metrics"] = {"loss": None}
    assert removed(record, SIZES, Fraction(200, 300)) == [100, 100]
    # What is beyond goes last.
    assert removed(record, SIZES, Fraction(220, 300)) == [100, 120]


def test_what_is_beyond_the_levels_goes_last_and_alike():
    record = found(LOSSES, SIZES)
    record["cells"] = [c for c in record["cells"] if c["level"] == 0.5]
    assert removed(record, SIZES, Fraction(150, 300)) == [50, 100]
    assert removed(record, SIZES, Fraction(240, 300)) == [80, 160]


def test_it_prunes_by_what_it_measured():
    model = dense_net(dropout=0)
    model.compile("sgd", CE)
    x, y = examples(64, 8)
    measured = kprune.sensitivity(model, (x, y), levels=[0.3, 0.6], verbose=0)
    by = kprune.allocation.sensitivity(measured)
    pruned = kprune.prune(model, sparsity=0.5, allocation=by)
    report = kprune.report(pruned)
    assert (report.kept, report.total) == (88, 176)
    assert all(row.sparsity <= 0.6 + 1 / row.total for row in report.rows)
    record = kprune.allocation.sensitivity(measured.to_dict())
    same = kprune.prune(model, sparsity=0.5, allocation=record)
    for name, mask in kprune.get_masks(same).items():
        np.testing.assert_array_equal(mask, kprune.get_masks(pruned)[name])


def test_channels_to_a_target_of_multiply_adds():
    model = dense_net(dropout=0, units=32)
    model.compile("sgd", CE)
    options = {"granularity": "channel"}
    data = examples(64, 8)
    measured = kprune.sensitivity(
        model, data, levels=[0.25, 0.5, 0.75], verbose=0, **options
    )
    by = kprune.allocation.sensitivity(measured, per="flops")
    target = {"flops": 0.5}
    pruned = kprune.prune(model, target=target, allocation=by, **options)
    report = kprune.report(pruned)
    assert report.sparse_multiply_adds == report.multiply_adds // 2


_WRONG = {
    "nothing": ({"found": {}}, "what `kprune.sensitivity` gives"),
    "a number": ({"found": 3}, "what `kprune.sensitivity` gives"),
    "an array": (
        {"found": np.array([None, "a"], object)},
        "what `kprune.sensitivity` gives",
    ),
    "damaged": (
        {"found": {"units": [3], "cells": [], "baseline": {}, "modes": {}}},
        "what `kprune.sensitivity` gives",
    ),
    "per": ({"per": "bytes"}, "Unknown value of `per`"),
    "metric": ({"metric": "los"}, "Did you mean 'loss'"),
    "no mode": ({"metric": "accuracy"}, "more or less is better"),
    "no adds": ({"per": "flops"}, "multiply-adds 'a' takes is not known"),
}


@pytest.mark.parametrize("options, words", _WRONG.values(), ids=_WRONG)
def test_what_is_refused(options, words):
    given = {"found": found(LOSSES, SIZES), **options}
    with pytest.raises(ValueError, match=words):
        allocation.sensitivity(**given)


def test_what_was_not_measured_is_refused():
    record = found(LOSSES, SIZES)
    sizes = {**SIZES, "c": 10}
    with pytest.raises(ValueError, match="'c/kernel' was not measured"):
        removed(record, sizes, 0.5)
    with pytest.raises(ValueError, match="in 200 groups and is pruned in 20"):
        removed(record, {"a": 100, "b": 20}, 0.5)
    array = np.ma.masked_array([1, 2], [True, False])
    with pytest.raises(ValueError, match="Unknown allocation"):
        kprune.prune(dense_net(), sparsity=0.5, allocation=array)
    with pytest.raises(ValueError, match="needs measurements"):
        kprune.prune(dense_net(), sparsity=0.5, allocation="sensitivity")


def test_a_layer_that_is_excluded_later_has_no_part():
    assert removed(found(LOSSES, SIZES), {"a": 100}, 0.5) == [50]


def test_weights_of_one_layer_share_alike():
    record = found(LOSSES, SIZES)
    record["units"][1] = {
        "name": "b",
        "weights": ["b/kernel", "c/kernel"],
        "groups": 200,
    }
    sizes = {"a": 100, "b": 160, "c": 40}
    assert removed(record, sizes, Fraction(50, 300)) == [0, 40, 10]
