"""Counts per weight: exact in sum, right in proportion."""

from fractions import Fraction

import numpy as np
import pytest

from kprune.masking import masks
from kprune.pruning import allocation, schedules
from kprune.pruning.allocation.counts import shares


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
@pytest.mark.parametrize("kind", ["signed", "equal", "half zero"])
def test_the_sum_of_counts_is_exact(shapes, name, kind):
    draw = rng()
    groups = {n: draw.normal(size=shape) for n, shape in shapes.items()}
    if kind != "signed":
        least, most = (1, 1) if kind == "equal" else (0, np.inf)
        groups = {n: np.clip(s, least, most) for n, s in groups.items()}
    total = sum(g.size for g in groups.values())
    for sparsity in (0.0, 0.333, 0.5, 0.987):
        counts = allocate(name, groups, budget(sparsity))
        assert sum(counts.values()) == masks.count_kept(total, sparsity)
        assert all(0 <= counts[n] <= groups[n].size for n in groups)


def zeros(**sizes):
    """Groups without scores, by size or shape."""
    return {name: np.zeros(size) for name, size in sizes.items()}


LENET = zeros(**SHAPES["lenet"])
CONVOLUTIONS = zeros(**dict.fromkeys("abc", (3, 3, 2, 10)))  # 180 each.
WITH_FC = {**CONVOLUTIONS, **zeros(fc=(10, 10))}
SMALL_FC = zeros(fc1=(10, 10), fc2=(5, 4))
MIXED = zeros(conv=(3, 3, 64, 64), fc=(256, 256))
smart_ratios = allocation.smart_ratios
ASCENDING = smart_ratios("ascending")
# Allocation, groups, sparsity and counts.
CASES = [
    ("global", {"a": [1, 2, 3, 4], "b": [5, 6, 7, 8]}, 0.5, {"a": 0, "b": 4}),
    # The best 3 are 9, 8 and 7.
    ("global", {"a": [1, 9, 3, 7], "b": [8, 2]}, 0.5, {"a": 2, "b": 1}),
    # a: 1/9, 4/8 and 4/4; b: 1/101 and 1.
    ("lamp", {"a": [1, 2, 2], "b": [10, 1]}, 0.4, {"a": 2, "b": 1}),
    ("lamp", {"a": [1, 2, 2], "b": [100, 1]}, 0.6, {"a": 1, "b": 1}),
    # Over the means of their sizes, 2 and 20: -0.5 and 1.5, 0.9 and 1.1.
    ("normalized", {"a": [-1, 3], "b": [18, 22]}, 0.5, {"a": 1, "b": 1}),
    ("uniform", LENET, 0.9, {"a": 23520, "b": 3000, "c": 100}),
    # 20 of 60; `a` has 2 left, and 18 of the other 50 are 7.2 and 10.8.
    (
        "uniform",
        {"a": np.r_[np.full(8, np.nan), 0, 0], **zeros(b=20, c=30)},
        2 / 3,
        {"a": 2, "b": 7, "c": 11},
    ),
    # Densities go as (in + out) / (in out): 0.0046088, 0.0133333 and 0.11, so
    # that counts go as in + out: 1084, 400 and 110. At 90 % 26,620 are kept.
    # c would get 26620 * 110 / 1594 = 1837 > 1000 and stays dense; the rest,
    # 25620, is shared 1084 : 400, of which a gets 18714.2.
    ("erk", LENET, 0.9, {"a": 18714, "b": 6906, "c": 1000}),
    ("erk", zeros(a=(20, 30), b=(20, 30)), 0.8, {"a": 120, "b": 120}),
    # A third of 26,620 is more than c has: the others share 25,620.
    ("balanced", LENET, 0.9, {"a": 12810, "b": 12810, "c": 1000}),
    # 800 p + 400 p^2 + 200 p^3 is 525 of 1,400 at p = 1 / 2.
    (
        "pyramidal",
        zeros(a=800, b=400, c=200),
        0.625,
        {"a": 400, "b": 100, "c": 25},
    ),
    ("pyramidal", zeros(a=8, b=4), 0.0, {"a": 8, "b": 4}),
    # Of a table the first key that fits counts.
    (
        {"fc1": 0.5, "fc.": 0.9},
        zeros(fc1=100, fc2=100, head=100),
        0.2,
        {"fc1": 50, "fc2": 10, "head": 80},
    ),
    # Smart ratios: p = (L - l + 1)^2 + (L - l + 1) is 12, 6 and 2 for L = 3.
    # 540 at 90 % are 54, shared 12 : 6 : 2: 32.4, 16.2 and 5.4 round to 53,
    # and the first of the two furthest off gains.
    ("smart_ratio", CONVOLUTIONS, 0.9, {"a": 33, "b": 16, "c": 5}),
    # Of 324, a would get 194.4 > 180; 144 are left for 6 : 2.
    ("smart_ratio", CONVOLUTIONS, 0.4, {"a": 180, "b": 108, "c": 36}),
    # Of 459, b would get 209 of 279 and is clipped too.
    ("smart_ratio", CONVOLUTIONS, 0.15, {"a": 180, "b": 180, "c": 99}),
    # 3 : 2 : 1; then 40.5, 12 and 1.5.
    (smart_ratios("linear"), CONVOLUTIONS, 0.9, {"a": 27, "b": 18, "c": 9}),
    (smart_ratios("cubic"), CONVOLUTIONS, 0.9, {"a": 40, "b": 12, "c": 2}),
    (ASCENDING, CONVOLUTIONS, 0.9, {"a": 6, "b": 16, "c": 32}),
    (smart_ratios("uniform"), CONVOLUTIONS, 0.9, dict.fromkeys("abc", 18)),
    # 324 of 2 : 6 : 12: c is clipped at 180, and 144 shared 2 : 6.
    (ASCENDING, CONVOLUTIONS, 0.4, {"a": 36, "b": 108, "c": 180}),
    # 12 / 1, 6 / 4 and 2 / 9 are 216 : 27 : 4 of 247; of 54: 47.2, 5.9, 0.87.
    (smart_ratios(vgg=True), CONVOLUTIONS, 0.9, {"a": 47, "b": 6, "c": 1}),
    # L = 4 with the matrix: convolutions at 20, 12 and 6. Of 640 at 70 %, 192
    # stay: 30 of the matrix, 162 shared 20 : 12 : 6 = 85.3, 51.2, 25.6.
    ("smart_ratio", WITH_FC, 0.7, {"a": 85, "b": 51, "c": 26, "fc": 30}),
    (smart_ratios(linear=0.5), WITH_FC, 0.7, {"fc": 50}),
    # Without, it is the fourth of the shares 20 : 12 : 6 : 2, by density. In
    # parts of its size, 100: 36, 21.6, 10.8 and 2 of 70.4. 192 * 2 / 70.4.
    (smart_ratios(linear=None), WITH_FC, 0.7, {"fc": 5}),
    # 660 at 5 %: 627 stay. 540 of the convolutions; 87 of 120 in matrices, at
    # 72.5 and 14.5.
    (
        "smart_ratio",
        {**CONVOLUTIONS, **SMALL_FC},
        0.05,
        {"a": 180, "b": 180, "c": 180, "fc1": 73, "fc2": 14},
    ),
    # Of 640 at 95 %, 32 stay; 30 in the matrix would leave 2, so it shares:
    # 32 * 2 / 70.4 = 0.9.
    ("smart_ratio", WITH_FC, 0.95, {"fc": 1}),
    # Matrices alone share too: 235200, 30000 and 1000 at 12, 6 and 2.
    ("smart_ratio", LENET, 0.9, {"c": round(26620 * 2000 / 3004400)}),
    # ERK counts go as the sum of dimensions, 134 : 512. ER density goes as
    # (in + out) / (in out), 1/32 : 1/128, so counts as 36864 * 4 : 65536.
    ("erk", MIXED, 0.9, {"conv": round(10240 * 134 / 646)}),
    ("er", MIXED, 0.9, {"conv": round(10240 * 147456 / 212992)}),
]


@pytest.mark.parametrize(("name", "groups", "sparsity", "expected"), CASES)
def test_counts_by_hand(name, groups, sparsity, expected):
    counts = allocate(name, groups, budget(sparsity))
    assert {name: counts[name] for name in expected} == expected


def test_global_spreads_ties_over_the_weights():
    counts = allocate("global", zeros(a=1000, b=1000), budget(0.9))
    # 100 +- 6 each by chance; by position it would be 200 and 0.
    assert 60 < counts["a"] < 140


def test_uniform_corrects_rounding_where_it_was_furthest_off():
    # 30 % of 5, 5 and 3 are 1.5, 1.5 and 0.9, which round to 2, 2 and 1; of
    # 13 it is 3.9, so 4 in all. One of the halves gives way.
    counts = allocate("uniform", zeros(a=5, b=5, c=3), budget(0.7))
    assert sorted([counts["a"], counts["b"]]) == [1, 2]
    assert counts["c"] == 1


def test_per_layer_follows_the_schedule_of_each_weight():
    half_way = budget(0.8, Fraction(1, 2), schedule=schedules.linear)
    counts = allocate({"a": 0.4}, zeros(a=100, b=100), half_way)
    assert counts == {"a": 80, "b": 60}


def test_what_does_not_fit_is_answered():
    with pytest.raises(ValueError, match="Did you mean 'first'"):
        allocate({"fist": 0.5}, zeros(first=10), budget(0.5))
    for make, bad, message in [
        (allocation.per_layer, {"a": "0.5"}, r"\['a'\].*\[0, 1\).*'0.5'"),
        (allocation.get, {"fc1": 1.0}, r"\[0, 1\)"),
        (allocation.get, "unifrom", "Did you mean 'uniform'"),
        (smart_ratios, "quadratc", "Did you mean 'quadratic'"),
        (lambda share: smart_ratios(linear=share), 1.5, "`linear`"),
    ]:
        with pytest.raises(ValueError, match=message):
            make(bad)


@pytest.mark.parametrize("name", allocation.names())
def test_minimum_is_kept_and_the_sum_stays_exact(name):
    groups = {"small": np.full((3, 4), -1.0), "large": np.ones((40, 40))}
    counts = allocate(name, groups, budget(0.95, minimum=5))
    assert counts["small"] >= 5
    assert sum(counts.values()) == masks.count_kept(1612, 0.95)
    with pytest.raises(ValueError, match="min_kept=5"):
        allocate(name, zeros(a=(3, 4), b=(3, 4)), budget(0.9, minimum=5))


@pytest.mark.parametrize("name", allocation.names())
def test_pruned_groups_are_no_candidates(name):
    dead = np.where(np.arange(100) < 90, np.nan, 0.0).reshape(10, 10)
    counts = allocate(name, {"a": dead, "b": np.zeros((10, 10))}, budget(0.5))
    assert counts["a"] <= 10
    assert sum(counts.values()) == 100


# Whole numbers in proportion.

WIDE = {"a": 99, "b": 99, "c": 99}
FULL = {**WIDE, "a": 0}


@pytest.mark.parametrize(
    ("total", "weights", "room", "expected"),
    [
        # 4.55, 2.73, 2.73: the two larger remainders get one.
        (10, {"a": 5, "b": 3, "c": 3}, WIDE, {"a": 4, "b": 3, "c": 3}),
        # Equal remainders go to the earlier name.
        (4, {"a": 1, "b": 1, "c": 1}, WIDE, {"a": 2, "b": 1, "c": 1}),
        # a would get 6 of 12 and has no room; 12 by 2 : 1 is then 8 and 4.
        (12, {"a": 3, "b": 2, "c": 1}, FULL, {"a": 0, "b": 8, "c": 4}),
        # b has room for 5: what is over goes to c, though it weighs nothing.
        (12, {"b": 2, "c": 0}, {"b": 5, "c": 9}, {"b": 5, "c": 7}),
        # Without weights the room counts.
        (4, {"a": 0, "b": 0}, {"a": 2, "b": 6}, {"a": 1, "b": 3}),
    ],
)
def test_shares_by_hand(total, weights, room, expected):
    assert shares(total, weights, room) == expected


def test_any_shares_add_up_within_the_room():
    draw = rng()
    for _ in range(200):
        names = [str(i) for i in range(draw.integers(1, 6))]
        weights = {n: draw.random() * draw.integers(0, 2) for n in names}
        room = {n: int(draw.integers(0, 30)) for n in names}
        total = int(draw.integers(0, sum(room.values()) + 1))
        found = shares(total, weights, room)
        assert sum(found.values()) == total
        assert all(0 <= found[n] <= room[n] for n in names)


def test_too_little_room_to_share():
    with pytest.raises(ValueError, match="room for 5"):
        shares(5, {"a": 1}, {"a": 4})
