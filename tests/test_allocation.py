"""Counts per weight: exact in sum, right in proportion."""

from fractions import Fraction

import numpy as np
import pytest

from kprune import allocation, masks, schedules


def budget(sparsity, progress=1, minimum=0, schedule=schedules.one_shot):
    return masks.Budget(sparsity, schedule, Fraction(progress), minimum)


def rng():
    return np.random.default_rng(0)


def allocate(name, groups, target):
    groups = {n: np.asarray(s, float) for n, s in groups.items()}
    shapes = {n: s.shape for n, s in groups.items()}
    sizes = {n: s.size for n, s in groups.items()}
    # NaN stands for a group that is pruned already.
    live = {n: s[~np.isnan(s)] for n, s in groups.items()}
    return allocation.get(name)(live, sizes, shapes, target, rng())


SHAPES = {
    "lenet": {"a": (784, 300), "b": (300, 100), "c": (100, 10)},
    "odd": {"a": (7, 3), "b": (5, 5), "c": (11, 1), "d": (3, 3, 2, 3)},
    "one": {"a": (3, 3)},
}


@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("name", allocation.names())
@pytest.mark.parametrize("kind", ["random", "equal", "zero", "half", "signed"])
@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.333, 0.5, 0.9, 0.987])
def test_the_sum_of_counts_is_exact(shapes, name, kind, sparsity):
    draw = rng()
    groups = {}
    for n, shape in shapes.items():
        scores = draw.normal(size=shape)
        groups[n] = {
            "random": np.abs(scores),
            "signed": scores,
            "equal": np.ones(shape),
            "zero": np.zeros(shape),
            "half": np.where(scores > 0, scores, 0),
        }[kind]
    counts = allocate(name, groups, budget(sparsity))

    total = sum(g.size for g in groups.values())
    assert sum(counts.values()) == masks.count_kept(total, sparsity)
    assert all(0 <= counts[n] <= groups[n].size for n in groups)


def test_global_ranks_all_weights_together():
    groups = {"low": [1, 2, 3, 4], "high": [10, 20, 30, 40]}
    assert allocate("global", groups, budget(0.5)) == {"low": 0, "high": 4}
    groups = {"a": [1, 9, 3, 7], "b": [8, 2, 6, 4]}
    # The best 3 are 9, 8 and 7.
    assert allocate("global", groups, budget(0.625)) == {"a": 2, "b": 1}


def test_global_spreads_ties_over_the_weights():
    groups = {"a": np.zeros(1000), "b": np.zeros(1000)}
    counts = allocate("global", groups, budget(0.9))
    # 100 +- 6 each by chance; by position it would be 200 and 0.
    assert 60 < counts["a"] < 140


def test_uniform_gives_each_weight_its_own_rounded_share():
    groups = {n: np.zeros(s) for n, s in SHAPES["lenet"].items()}
    assert allocate("uniform", groups, budget(0.9)) == {
        "a": 23520,
        "b": 3000,
        "c": 100,
    }


def test_uniform_corrects_rounding_where_it_was_furthest_off():
    # 30 % of 5, 5 and 3 are 1.5, 1.5 and 0.9, which round to 2, 2 and 1; of
    # 13 it is 3.9, so 4 in all. One of the halves gives way.
    groups = {"a": np.zeros(5), "b": np.zeros(5), "c": np.zeros(3)}
    counts = allocate("uniform", groups, budget(0.7))
    assert sorted([counts["a"], counts["b"]]) == [1, 2]
    assert counts["c"] == 1


def test_erk_of_lenet_300_100():
    # Densities go as (in + out) / (in out): 0.0046088, 0.0133333 and 0.11, so
    # that counts go as in + out: 1084, 400 and 110. At 90 % 26,620 are kept.
    # c would get 26620 * 110 / 1594 = 1837 > 1000 and stays dense; the rest,
    # 25620, is shared 1084 : 400.
    groups = {n: np.zeros(s) for n, s in SHAPES["lenet"].items()}
    assert allocate("erk", groups, budget(0.9)) == {
        "a": 18714,  # 25620 * 1084 / 1484 = 18714.2
        "b": 6906,
        "c": 1000,
    }


def test_erk_and_er_differ_on_convolutions():
    groups = {"conv": np.zeros((3, 3, 64, 64)), "fc": np.zeros((256, 256))}
    erk = allocate("erk", groups, budget(0.9))
    er = allocate("er", groups, budget(0.9))
    # ERK counts go as the sum of dimensions, 134 : 512. ER density goes as
    # (in + out) / (in out), 1/32 : 1/128, so counts as 36864 * 4 : 65536.
    total = 10240
    assert erk["conv"] == round(total * 134 / 646)
    assert er["conv"] == round(total * 147456 / 212992)


def test_erk_is_uniform_on_equal_shapes():
    groups = {n: np.zeros((20, 30)) for n in "abc"}
    assert allocate("erk", groups, budget(0.8)) == dict.fromkeys("abc", 120)


def test_per_layer_table_by_name_layer_and_pattern():
    groups = {
        "fc1/kernel": np.zeros(100),
        "fc2/kernel": np.zeros(100),
        "head/kernel": np.zeros(100),
    }
    table = {"fc1": 0.5, "fc./kernel": 0.9}
    assert allocate(table, groups, budget(0.2)) == {
        "fc1/kernel": 50,  # The first key that fits counts.
        "fc2/kernel": 10,
        "head/kernel": 80,
    }


def test_per_layer_follows_the_schedule_of_each_weight():
    groups = {"a": np.zeros(100), "b": np.zeros(100)}
    half_way = budget(0.8, Fraction(1, 2), schedule=schedules.linear)
    counts = allocate({"a": 0.4}, groups, half_way)
    assert counts == {"a": 80, "b": 60}


def test_per_layer_names_what_it_does_not_find():
    groups = {"fc1/kernel": np.zeros(10)}
    with pytest.raises(ValueError, match="Did you mean 'fc1/kernel'"):
        allocate({"fc1/kernl": 0.5}, groups, budget(0.5))
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        allocation.get({"fc1": 1.0})


@pytest.mark.parametrize("name", allocation.names())
def test_minimum_is_kept_and_the_sum_stays_exact(name):
    groups = {"small": np.full((3, 4), -1.0), "large": np.ones((40, 40))}
    counts = allocate(name, groups, budget(0.95, minimum=5))
    assert counts["small"] >= 5
    assert sum(counts.values()) == masks.count_kept(1612, 0.95)


@pytest.mark.parametrize("name", allocation.names())
def test_minimum_that_exceeds_the_budget(name):
    groups = {"a": np.zeros((3, 4)), "b": np.zeros((3, 4))}
    with pytest.raises(ValueError, match="min_kept=5"):
        allocate(name, groups, budget(0.9, minimum=5))


@pytest.mark.parametrize("name", allocation.names())
def test_pruned_groups_are_no_candidates(name):
    dead = np.where(np.arange(100) < 90, np.nan, 0.0).reshape(10, 10)
    counts = allocate(name, {"a": dead, "b": np.zeros((10, 10))}, budget(0.5))
    assert counts["a"] <= 10
    assert sum(counts.values()) == 100


def test_unknown_allocation():
    with pytest.raises(ValueError, match="Did you mean 'uniform'"):
        allocation.get("unifrom")
