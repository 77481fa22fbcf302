"""The course of a growing penalty, step by step."""

import pytest

from kprune.callbacks.regularization import PenaltySchedule


def test_lambda_after_n_steps():
    course = PenaltySchedule(2, 5, 7, 0.4, 1.0)
    # 0.4, 0.8 and 1.0, one every 5 steps from step 2 on; then 7 steps.
    assert (course.picking, course.growing, course.end) == (0, 15, 24)
    expected = [0] * 7 + [0.4] * 5 + [0.8] * 5 + [1.0] * 7 + [0] * 3
    found = [course.penalties(step) for step in range(27)]
    assert found == [(value, 0) for value in expected]
    assert course.events() == [(2, "pick"), (24, "remove")]


def test_the_course_of_greg_2():
    course = PenaltySchedule(0, 2, 3, 0.5, 1.0, 0.1, 0.2, -0.3)
    # All by 0.1 up to 0.2, then the picked by 0.5 from there, up to 1.
    assert (course.picking, course.growing, course.end) == (4, 4, 11)
    found = [course.penalties(step) for step in range(12)]
    assert found[:4] == [(0, 0)] * 2 + [(0.1, 0.1)] * 2
    assert found[4:8] == [(0.2, -0.3)] * 2 + [(0.7, -0.3)] * 2
    assert found[8:] == [(1, -0.3)] * 3 + [(0, 0)]
    assert course.events() == [(4, "pick"), (11, "remove")]


def test_cycles_begin_anew():
    course = PenaltySchedule(0, 1, 1, 0.5, 1.0, cycles=2)
    found = [course.penalties(step)[0] for step in range(7)]
    assert found == [0, 0.5, 1, 0, 0.5, 1, 0]
    steps = [(0, "pick"), (3, "remove"), (3, "pick"), (6, "remove")]
    assert course.events() == steps


def test_the_published_course_has_ten_thousand_updates():
    assert PenaltySchedule(0, 5, 40_000, 1e-4, 1.0).end == 50_000 + 40_000
    # 1e-5 a thousand times; then 1e-4 from 0.01 on, 9,900 times.
    course = PenaltySchedule(0, 10, 10_000, 1e-4, 1.0, 1e-5, 1e-2, -1e-4)
    assert (course.picking, course.growing) == (10_000, 99_000)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"begin": -1}, "`begin`"),
        ({"every": 0}, "`every`"),
        ({"stabilize": 1.5}, "`stabilize`"),
        ({"cycles": True}, "`cycles`"),
        ({"increment": "1e-4"}, "`increment`"),
        ({"ceiling": float("inf")}, "`ceiling`"),
        ({"ceiling": 0.0}, "`ceiling`. Expected a number > 0"),
        ({"pick_ceiling": 0.5}, "`pick_increment`"),
        (
            {"pick_ceiling": 1.0, "pick_increment": 0.1},
            "`pick_ceiling`",
        ),
    ],
)
def test_what_does_not_fit_is_refused(options, words):
    given = {
        "begin": 0,
        "every": 5,
        "stabilize": 0,
        "increment": 0.1,
        "ceiling": 1.0,
        **options,
    }
    with pytest.raises(ValueError, match=words):
        PenaltySchedule(**given)
