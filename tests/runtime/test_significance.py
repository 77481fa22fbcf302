"""Tests of differences over seeds, and the correction for their number."""

import numpy as np
import pytest
from scipy import stats

from kprune.runtime import significance
from kprune.runtime.significance import conjunction, holm, paired, welch


def test_p_values_are_corrected_as_by_hand():
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03})
    # 3 x 0.01, 2 x 0.03, and 1 x 0.04, which is no less than that before.
    assert found == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})
    assert list(found) == ["a", "c", "b"]
    assert holm({"a": 0.9, "b": 0.8}) == {"b": 1, "a": 1}


def test_welch_is_scipys_but_of_figures_that_do_not_vary():
    one, other = [3.0, 4.0, 5.0], [1.0, 2.0, 4.0]
    interval, p = welch(one, other)
    # Means 4 and 7/3; s^2 / n = 1/3 and 7/9: t = (5/3) / sqrt(10/9) = 1.58,
    # and (10/9)^2 / ((1/3)^2 / 2 + (7/9)^2 / 2) = 3.448 degrees of freedom.
    assert p == pytest.approx(2 * stats.t.sf(1.58114, 3.44828), rel=1e-4)
    assert np.mean(interval) == pytest.approx(5 / 3)
    assert welch([2, 2], [1, 1]) == ((1.0, 1.0), 0.0)
    assert welch([2, 2], [2, 2]) == ((0.0, 0.0), 1.0)


def test_a_paired_test_by_hand():
    # Mean 2, s = 1: t = 2 sqrt(3) of two degrees, p = 1 - t / sqrt(2 + t^2).
    t = 2 * np.sqrt(3)
    expected = 1 - t / np.sqrt(2 + t**2)
    assert paired([1, 2, 3]) == pytest.approx(expected)
    assert paired([-1, -2, -3]) == pytest.approx(expected)
    # Alike, the signs alone count.
    assert paired([2, 2, 2]) == 0.25
    assert paired([2, 2, 2, 2, 2, 2]) == 1 / 32
    assert paired([0, 0, 0]) == paired([5]) == 1


def test_a_conjunction_is_as_true_as_its_weakest_part():
    strong, weak = [1.0, 1.1, 0.9], [1.0, 5.0, 3.0]
    found = conjunction({"a": strong, "b": weak})
    assert (found.holds, found.p_value) == (True, paired(weak))
    # One that is against it suffices, of as many as there are.
    against = [-1.0, -1.1, -0.9]
    found = conjunction({"a": strong, "b": weak, "c": against})
    assert found.holds is False
    assert found.p_value == pytest.approx(3 * paired(against))
    assert conjunction({"a": strong, "b": [0, 0, 0]}).p_value == 1


def test_fewer_than_three_seeds_decide_nothing():
    assert paired([1.0, 1.0001]) < significance.LEVEL
    found = conjunction({"a": [1.0, 1.0001]})
    assert (found.holds, found.p_value) == (True, 1.0)


def test_the_answer_is_by_the_corrected_value():
    found = conjunction({"a": [1.0, 1.1, 0.9]})
    assert found.answer(0.049) == "true"
    assert found.answer(0.05) == "undecided"
    assert conjunction({"a": [-1.0, -1.1, -0.9]}).answer(0.01) == "false"


def test_ranks_share_ties():
    found = significance.ranks([3.0, 5.0, 3.0])
    assert found.tolist() == [2.5, 1.0, 2.5]


def test_ranking_by_hand():
    """Four blocks, all of one mind: Friedman's statistic is n (k - 1) = 8,
    and p = exp(-4) of chi^2 with 2 degrees of freedom. Demsar's table has
    q = 2.343 for three methods, and so 2.343 sqrt(3 4 / 24) = 1.657."""
    figures = {"c": [1, 2, 1, 3], "a": [5, 6, 7, 8], "b": [2, 3, 4, 4]}
    found = significance.ranking(figures)
    assert list(found.ranks.items()) == [("a", 1.0), ("b", 2.0), ("c", 3.0)]
    assert found.p_value == pytest.approx(np.exp(-4))
    assert found.critical == pytest.approx(1.657, abs=1e-3)
    assert found.interval("a") == pytest.approx((1, 1.828), abs=1e-3)


def test_no_ranking_of_two_blocks():
    found = significance.ranking({"a": [3, 3], "b": [2, 2], "c": [1, 1]})
    assert found.p_value == 1
    assert found.interval("a") == (1, 3)


def test_methods_that_are_alike_are_not_told_apart():
    found = significance.ranking(
        {"a": [1, 2, 3], "b": [3, 1, 2], "c": [2, 3, 1]}
    )
    assert found.p_value == pytest.approx(1)
    assert found.critical == np.inf
