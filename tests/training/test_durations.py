"""Durations as people write them come out in steps."""

import numpy as np
import pytest

from kprune.training import durations


@pytest.mark.parametrize(
    "duration, expected",
    [
        *((0, 0), (1000, 1000), (np.int64(7), 7)),
        *(("1000it", 1000), ("0it", 0), (" 10 It ", 10)),
        ("8ep", 3128),  # 8 * 391.
        ("0.1ep", 39),  # 39.1.
        ("0.5ep", 196),  # 195.5: halves go up,
        ("1.5EP", 587),  # 586.5, whether to even or odd.
        (".5ep", 196),
        ("75%", 2346),  # 3128 * 3 / 4.
        ("0%", 0),
        ("100%", 3128),
        ("12.5 %", 391),
        ("10ep", 3910),  # Steps and epochs may lie past the end.
        ("99999it", 99999),
    ],
)
def test_duration_in_steps(duration, expected):
    steps = durations.steps(duration, steps_per_epoch=391, total_steps=3128)
    assert steps == expected
    assert type(steps) is int


def test_shares_are_exact():
    # In floating point, 1.1 * 5 is 5.500000000000001 and 0.57 * 50 is
    # 28.499999999999996: the one is half a step too, and the other as well.
    assert durations.steps("1.1ep", 5, 5) == 6
    assert durations.steps("57%", 5, 50) == 29
    # Too long for a float.
    assert durations.steps("100%", 1, 2**60 + 1) == 2**60 + 1


def test_only_what_it_is_counted_in_must_be_known():
    assert durations.steps("10it") == 10
    assert durations.steps("2ep", steps_per_epoch=3) == 6
    assert durations.steps("50%", total_steps=10) == 5
    for duration, counts, message in (
        ("2ep", (None, 10), "'2ep'.*steps_per_epoch=None"),
        ("50%", (3, None), "'50%'.*total_steps=None"),
        ("2ep", (0, 10), "steps_per_epoch=0"),
        ("50%", (1, 2.5), r"total_steps=2\.5"),
    ):
        with pytest.raises(ValueError, match=message):
            durations.steps(duration, *counts)


@pytest.mark.parametrize(
    "nonsense",
    [
        *("-1it", "-2ep", "1000", "1.5it", "8 epochs", "ep", "1e3it"),
        *("1.2.3ep", "nanep", "", -1, None, True, 1.5),
    ],
)
def test_nonsense_is_answered_with_the_forms(nonsense):
    with pytest.raises(ValueError, match=r"1000it.*0\.5ep.*75%.*Received: "):
        durations.steps(nonsense, 391, 3128)


def test_more_than_the_whole_training():
    with pytest.raises(ValueError, match=r"from 0% to 100%.*'100\.1%'"):
        durations.steps("100.1%", 391, 3128)
