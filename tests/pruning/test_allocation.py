"""Counts per weight: exact in sum, right in proportion."""

from fractions import Fraction

import numpy as np
import pytest

from kprune.masking import masks
from kprune.pruning import allocation, schedules


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


def test_per_layer_takes_numbers_alone():
    with pytest.raises(ValueError, match=r"\[0, 1\).*'a': '0.5'"):
        allocation.per_layer({"a": "0.5"})


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


def test_uniform_passes_on_what_a_weight_does_not_have_in_one_proportion():
    # 20 of 60; `a` has 2 left, and 18 of the other 50 are 7.2 and 10.8.
    dead = np.where(np.arange(10) < 8, np.nan, 0.0)
    groups = {"a": dead, "b": np.zeros(20), "c": np.zeros(30)}
    counts = allocate("uniform", groups, budget(2 / 3))
    assert counts == {"a": 2, "b": 7, "c": 11}


def test_unknown_allocation():
    with pytest.raises(ValueError, match="Did you mean 'uniform'"):
        allocation.get("unifrom")


# Smart ratios: p = (L - l + 1)^2 + (L - l + 1) is 12, 6 and 2 for L = 3.

CONVOLUTIONS = {n: np.zeros((3, 3, 2, 10)) for n in "abc"}  # 180 each.


def test_smart_ratio_falls_with_depth():
    # 540 at 90 % are 54, shared 12 : 6 : 2.
    counts = allocate("smart_ratio", CONVOLUTIONS, budget(0.9))
    # 32.4, 16.2 and 5.4 round to 53: the first of the two furthest off gains.
    assert counts == {"a": 33, "b": 16, "c": 5}


def test_smart_ratio_clips_and_passes_the_excess_on():
    # Of 324, a would get 194.4 > 180; 144 are left for 6 : 2.
    counts = allocate("smart_ratio", CONVOLUTIONS, budget(0.4))
    assert counts == {"a": 180, "b": 108, "c": 36}
    # Of 459, b would get 209 of 279 and is clipped too.
    counts = allocate("smart_ratio", CONVOLUTIONS, budget(0.15))
    assert counts == {"a": 180, "b": 180, "c": 99}


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ("linear", {"a": 27, "b": 18, "c": 9}),  # 3 : 2 : 1.
        ("cubic", {"a": 40, "b": 12, "c": 2}),  # 40.5, 12 and 1.5.
        ("ascending", {"a": 6, "b": 16, "c": 32}),
        ("uniform", {"a": 18, "b": 18, "c": 18}),
    ],
)
def test_curves_of_smart_ratios(curve, expected):
    ratios = allocation.smart_ratios(curve)
    counts = allocate(ratios, CONVOLUTIONS, budget(0.9))
    assert counts == expected


def test_ascending_ratios_clip_the_last_and_pass_on_to_the_others():
    # 324 of 2 : 6 : 12: c is clipped at 180, and 144 shared 2 : 6.
    ratios = allocation.smart_ratios("ascending")
    counts = allocate(ratios, CONVOLUTIONS, budget(0.4))
    assert counts == {"a": 36, "b": 108, "c": 180}


def test_smart_ratios_of_vgg_are_divided_by_the_square_of_the_depth():
    # 12 / 1, 6 / 4 and 2 / 9 are 216 : 27 : 4 of 247; of 54: 47.2, 5.9, 0.87.
    ratios = allocation.smart_ratios(vgg=True)
    counts = allocate(ratios, CONVOLUTIONS, budget(0.9))
    assert counts == {"a": 47, "b": 6, "c": 1}


def test_matrices_keep_three_tenths_and_count_as_layers():
    # L = 4 with the matrix: convolutions at 20, 12 and 6. Of 640 at 70 %, 192
    # stay: 30 of the matrix, 162 shared 20 : 12 : 6 = 85.3, 51.2, 25.6.
    groups = {**CONVOLUTIONS, "fc": np.zeros((10, 10))}
    counts = allocate("smart_ratio", groups, budget(0.7))
    assert counts == {"a": 85, "b": 51, "c": 26, "fc": 30}
    ratios = allocation.smart_ratios(linear=0.5)
    assert allocate(ratios, groups, budget(0.7))["fc"] == 50
    # Without, it is the fourth of the shares 20 : 12 : 6 : 2, by density. In
    # parts of its size, 100: 36, 21.6, 10.8 and 2 of 70.4.
    ratios = allocation.smart_ratios(linear=None)
    assert allocate(ratios, groups, budget(0.7))["fc"] == 5  # 192 * 2 / 70.4


def test_matrices_take_what_convolutions_cannot():
    groups = {
        **CONVOLUTIONS,
        "fc1": np.zeros((10, 10)),
        "fc2": np.zeros((5, 4)),
    }
    # 660 at 5 %: 627 stay. 540 of the convolutions; 87 of 120 in matrices, at
    # 72.5 and 14.5.
    counts = allocate("smart_ratio", groups, budget(0.05))
    assert counts == {"a": 180, "b": 180, "c": 180, "fc1": 73, "fc2": 14}


def test_matrices_share_where_they_would_be_most_of_what_stays():
    # Of 640 at 95 %, 32 stay; 30 in the matrix would leave 2.
    groups = {**CONVOLUTIONS, "fc": np.zeros((10, 10))}
    counts = allocate("smart_ratio", groups, budget(0.95))
    assert counts["fc"] == 1  # 32 * 2 / 70.4 = 0.9.
    # Matrices alone share too: sizes 235200, 30000, 1000 at 12, 6 and 2.
    groups = {n: np.zeros(s) for n, s in SHAPES["lenet"].items()}
    counts = allocate("smart_ratio", groups, budget(0.9))
    total = 12 * 235200 + 6 * 30000 + 2 * 1000
    assert counts["c"] == round(26620 * 2000 / total)


def test_bad_smart_ratios_are_answered():
    with pytest.raises(ValueError, match="Did you mean 'quadratic'"):
        allocation.smart_ratios("quadratc")
    with pytest.raises(ValueError, match="`linear`"):
        allocation.smart_ratios(linear=1.5)
