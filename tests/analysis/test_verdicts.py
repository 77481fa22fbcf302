"""Welch's test, against numbers worked out by hand and from tables."""

import statistics

import pytest

from kprune.analysis.sanity import verdict
from kprune.analysis.sanity.verdicts import caption, together


@pytest.mark.parametrize(
    ("count", "expected"),
    # Student's t, two-sided 5 %, as printed in any table. Of two sides of n
    # and equal variance there are 2 n - 2 degrees: 2, 4 and 10.
    [(2, 4.303), (3, 2.776), (6, 2.228)],
)
def test_intervals_are_those_of_the_tables(count, expected):
    figures = [float(i) for i in range(count)]
    low, high = verdict(figures, figures).interval
    error = (2 * statistics.variance(figures) / count) ** 0.5
    assert (low, high) == pytest.approx((-high, high))
    assert high / error == pytest.approx(expected, abs=5e-4)


def test_tails_in_closed_form():
    # Of two degrees, P(|T| > t) = 1 - t / sqrt(2 + t^2). Means 0 and 2, of
    # variance 2 over n = 2 each: t = 2 / sqrt 2, and 1 - 1 / sqrt 2 is left.
    found = verdict([-1, 1], [1, 3])
    assert found.p_value == pytest.approx(1 - 0.5**0.5)


def test_equal_variances():
    found = verdict([2, 4], [1, 1 + 2], "SNIP", "shuffle")
    # Means 3 and 2; variances 2 and 2, over n: 1 and 1; error sqrt 2;
    # degrees 2^2 / (1 + 1) = 2; t = 1 / sqrt 2, so p = 1 - 0.7071 /
    # sqrt(2.5) = 0.5528; the interval is 1 -+ 4.3027 sqrt 2 = 6.0849.
    assert found.difference == 1
    assert found.p_value == pytest.approx(0.5528, abs=1e-4)
    assert found.interval == pytest.approx((-5.0849, 7.0849), abs=1e-4)
    assert found.beats is None
    assert str(found) == (
        "SNIP and its own shuffle: 3.00 +- 1.41 against 2.00 +- 1.41, "
        "difference +1.00 [-5.08, 7.08], p = 0.55, n = 2: undecided, with "
        "fewer than 3 runs"
    )


def test_unequal_variances_and_counts():
    # Variance 1 of three, 0 of four: error sqrt(1/3), degrees
    # (1/3)^2 / ((1/3)^2 / 2) = 2, whatever the other side has.
    found = verdict([9, 10, 11], [5, 5, 5, 5])
    half = 4.30265 * 3**-0.5
    assert found.interval == pytest.approx((5 - half, 5 + half), abs=1e-4)
    assert found.beats
    assert "beats its sanity check" in str(found)
    assert "n = 3 and 4" in str(found)


def test_the_method_may_lose():
    found = verdict([5, 5.1, 4.9], [9, 9.1, 9.2], "SynFlow", "invert")
    assert found.interval[1] < 0
    assert not found.beats
    assert str(found).startswith("SynFlow loses against its own inversion: ")


def test_the_order_turns_the_sign_alone():
    one = verdict([1, 2, 4], [2, 5, 5])
    other = verdict([2, 5, 5], [1, 2, 4])
    assert one.difference == -other.difference
    assert one.p_value == other.p_value
    low, high = other.interval
    assert one.interval == pytest.approx((-high, -low))


@pytest.mark.parametrize("figures", [[9, 9], [9, 10, 11]])
def test_two_runs_of_a_side_decide_nothing(figures):
    few, found = [0, 0], verdict(figures, [0, 0, 0])
    assert found.beats is (True if figures[2:] else None)
    for one in (verdict(figures, few), verdict(few, figures)):
        assert one.p_value < 0.01 and one.interval is not None
        assert one.beats is None
        assert str(one).endswith("undecided, with fewer than 3 runs")
        assert "beat" not in str(one) and "lose" not in str(one)
        corrected = together([one, one])[0]
        assert corrected.beats is None
        assert "p (Holm)" in str(corrected)


def test_one_run_is_too_few():
    found = verdict([97.5], [97.0, 98.0], "SNIP", "reinitialize")
    assert found.interval is None
    assert found.beats is None
    assert str(found) == (
        "SNIP and its own masks on new weights: 97.50 against 97.50 +- 0.71, "
        "difference +0.00, n = 1 and 2: undecided, with fewer than "
        "3 runs"
    )


def test_figures_that_do_not_vary():
    same = verdict([3, 3, 3], [3, 3, 3])
    assert (same.interval, same.p_value, same.beats) == ((0, 0), 1.0, False)
    assert verdict([3, 3, 3], [2, 2, 2]).beats


def test_verdicts_shown_together_are_corrected():
    # Means 0 and m, variances 1 over n = 3: t^2 = 3/2 m^2 of four degrees, and
    # p = 1 - s (1 + (1 - s^2) / 2), s^2 = t^2 / (4 + t^2). Of m = 2, s^2 is
    # 0.6 and p 0.0705; of 2.6, p is 0.0334, and of -2.6 likewise.
    found = [verdict([m - 1, m, m + 1], [-1, 0, 1]) for m in (2.6, 2, -2.6)]
    assert [one.beats for one in found] == [True, False, False]
    assert str(found[2]).startswith("The method loses")
    one, two, three = together([*found, verdict([1], [2])])[:3]
    s = (10.14 / 14.14) ** 0.5
    assert found[0].p_value == pytest.approx(1 - s * (1 + (1 - s**2) / 2))
    assert found[1].p_value == pytest.approx(1 - 0.6**0.5 * 1.2)
    assert one.corrected == pytest.approx(3 * found[0].p_value)
    assert three.corrected == pytest.approx(one.corrected)
    assert two.corrected == pytest.approx(max(one.corrected, two.p_value))
    # 0.0334 is below 5 %; three times that is not.
    assert [one.beats, three.beats] == [False, False]
    assert str(three).startswith("The method does not beat")
    assert "p (Holm) = 0.1" in str(one)


def test_a_single_test_needs_no_correction():
    found = [verdict([8, 10], [-1, 1]), verdict([1], [2])]
    assert together(found) == found
    assert "Holm" not in caption(found)
    assert caption(found[1:]) == ""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (([], [1]), "`plain`. Expected one or more finite"),
        (([1], [float("nan")]), "`checked`. Expected one or more finite"),
        (([1], [1], "SNIP", "shufle"), "Did you mean 'shuffle'"),
    ],
)
def test_bad_input_is_answered(arguments, expected):
    with pytest.raises(ValueError, match=expected):
        verdict(*arguments)
