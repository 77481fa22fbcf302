"""Schedules reach both ends and never go back."""

import math

import numpy as np
import pytest

from kprune.pruning import schedules


@pytest.mark.parametrize("name", schedules.names())
def test_schedule_reaches_its_ends_and_never_falls(name):
    schedule = schedules.get(name)
    progress = np.linspace(0, 1, 101)
    values = [schedule(p, 0.95, 0.2) for p in progress]

    assert values[0] == pytest.approx(0.2)
    assert values[-1] == pytest.approx(0.95)
    assert (np.diff(values) >= -1e-12).all()


@pytest.mark.parametrize(
    "name, middle",
    [
        ("one_shot", 0.99),
        ("linear", 0.495),
        # 1 - sqrt(0.01) = 0.9.
        ("exponential", 0.9),
        # 0.99 (1 - 1/8).
        ("cubic", 0.86625),
        ("cosine", 0.495),
        ("sigmoid", 0.495),
    ],
)
def test_schedule_half_way(name, middle):
    assert schedules.get(name)(0.5, 0.99) == pytest.approx(middle)


def test_sigmoid_is_a_logistic_curve_scaled_to_its_ends():
    def logistic(z):
        return 1 / (1 + math.exp(-z))

    # Progress 0.3, midpoint 0.5, width 0.1.
    low, high = logistic(-5), logistic(5)
    expected = 0.8 * (logistic(-2) - low) / (high - low)
    assert schedules.sigmoid(0.3, 0.8) == pytest.approx(expected)
    wide = schedules.get("sigmoid", width=1.0)
    assert wide(0.3, 0.8) > schedules.sigmoid(0.3, 0.8)


def test_the_exponent_of_the_cubic():
    # 0.8 (1 - (1 - 1/4)^2).
    assert schedules.get("cubic", power=2)(0.25, 0.8) == pytest.approx(0.35)


def test_asni_is_a_logistic_curve_over_the_epochs():
    # sigma((48 - 25) / 5) = 1 / (1 + exp(-4.6)) = 0.990048.
    assert schedules.asni(48, 50) == pytest.approx(0.98 * 0.990048, abs=1e-6)
    assert schedules.asni(10, 20, 99.2, 0.5, 2) == pytest.approx(0.496)
    # Steep as it may be, it overflows at neither end.
    assert schedules.asni(1, 1000, gamma=0.01) == 0
    assert schedules.asni(999, 1000, gamma=0.01) == 0.98


def test_unknown_schedule_and_option():
    with pytest.raises(ValueError, match="Did you mean 'exponential'"):
        schedules.get("exponentiel")
    with pytest.raises(ValueError, match="'width'"):
        schedules.get("sigmoid", witdh=1)
