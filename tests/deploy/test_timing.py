"""Times taken by turns, with a clock that the functions move."""

import time

import numpy as np

from kprune.deploy.comparison import timing


class StepCounter:
    """Says what time it is; its functions take the seconds they are given."""

    def __init__(self):
        self.now, self.calls = 0.0, []

    def __call__(self):
        return self.now

    def function(self, name, *durations):
        """Returns a function that takes these seconds, the last for good."""
        left = list(durations)

        def call():
            self.calls.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return call


def test_the_other_runs_before_between_and_after():
    clock = StepCounter()
    one, other = clock.function("one", 2.0), clock.function("other", 1.0, 5.0)
    times, base = timing.alternate(one, other, 2, turns=2, clock=clock)
    assert clock.calls == ["other"] * 2 + (["one"] + ["other"] * 2) * 2
    np.testing.assert_array_equal(times, [2, 2])
    # Around the first: 1, 5, 5, 5. Around the second: 5 four times.
    np.testing.assert_array_equal(base, [5, 5])


def test_a_ratio_is_taken_against_the_turns_around_it():
    clock = StepCounter()
    # Of each function, the first two calls warm up and count.
    before = clock.function("before", 9, 1, 4.0, 8.0, 12.0, 20.0)
    after = clock.function("after", 9, 1, 1.0, 2.0, 2.0)
    found = timing.compare_times(before, after, 3, clock)
    # Between 4 and 8 lies 6, then 10, then 16: over 1, 2 and 2.
    assert (found.before, found.after, found.ratio) == (10, 2, 6)
    assert found.spread == (5.5, 7)
    assert clock.calls[4:] == ["before"] + ["after", "before"] * 3


def test_what_is_short_is_called_several_times_in_a_row():
    clock = StepCounter()
    # 0.03 seconds are four calls of 2 ** -7 and one of 0.5.
    before = clock.function("before", 0.5)
    after = clock.function("after", 2**-7)
    found = timing.compare_times(before, after, 2, clock)
    assert (found.before, found.after, found.ratio) == (0.5, 2**-7, 64)
    turn = ["after"] * 4 + ["before"]
    assert clock.calls == ["before"] * 2 + ["after"] * 2 + ["before"] + turn * 2


def test_a_clock_that_stands_still_asks_for_one_call():
    calls = []
    several, count = timing._long_enough(lambda: calls.append(1), lambda: 0.0)
    assert (count, len(calls)) == (1, 2)
    several()
    assert len(calls) == 3


def test_the_middle_half():
    # Of 0 to 8, the quartiles are 2 and 6.
    assert timing.middle(np.arange(9.0)) == (4, (2, 6))
    assert timing.middle([3]) == (3, (3, 3))


def test_real_time_passes():
    assert 0.02 <= timing.seconds(lambda: time.sleep(0.02)) < 10
