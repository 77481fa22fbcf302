"""Whole numbers in proportion add up exactly."""

import numpy as np
import pytest

from kprune.callbacks.dynamic.shares import shares

WIDE = {"a": 99, "b": 99, "c": 99}


def test_by_hand():
    # 10 by 5 : 3 : 3 is 4.55, 2.73, 2.73: the two larger remainders get one.
    found = shares(10, {"a": 5, "b": 3, "c": 3}, WIDE)
    assert found == {"a": 4, "b": 3, "c": 3}


def test_equal_remainders_go_to_the_earlier_name():
    found = shares(4, {"a": 1, "b": 1, "c": 1}, WIDE)
    assert found == {"a": 2, "b": 1, "c": 1}


def test_what_is_over_passes_on_in_proportion():
    # a would get 6 of 12 and has room for 0; 12 by 2 : 1 is then 8 and 4.
    found = shares(12, {"a": 3, "b": 2, "c": 1}, {**WIDE, "a": 0})
    assert found == {"a": 0, "b": 8, "c": 4}
    # b has room for 5: what is over goes to c, though it weighs nothing.
    found = shares(12, {"a": 3, "b": 2, "c": 0}, {"a": 0, "b": 5, "c": 9})
    assert found == {"a": 0, "b": 5, "c": 7}


def test_without_weights_the_room_counts():
    found = shares(4, {"a": 0, "b": 0}, {"a": 2, "b": 6})
    assert found == {"a": 1, "b": 3}


def test_any_case_adds_up_within_the_room():
    rng = np.random.default_rng(0)
    for _ in range(200):
        names = [str(i) for i in range(rng.integers(1, 6))]
        weights = {n: float(rng.random() * rng.integers(0, 2)) for n in names}
        room = {n: int(rng.integers(0, 30)) for n in names}
        total = int(rng.integers(0, sum(room.values()) + 1))
        found = shares(total, weights, room)
        assert sum(found.values()) == total
        assert all(0 <= found[n] <= room[n] for n in names)


def test_too_little_room():
    with pytest.raises(ValueError, match="room for 5"):
        shares(5, {"a": 1}, {"a": 4})
