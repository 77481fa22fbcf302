"""Names to things, and one seed to many streams."""

import random

import numpy as np
import pytest

from kprune.runtime import lookup, seeds


def test_choose_answers_a_typo_with_what_is_near():
    things = {"exponential": 1, "linear": 2}
    assert lookup.choose("linear", things, "schedule") == 2
    with pytest.raises(ValueError) as error:
        lookup.choose("liner", things, "schedule")
    assert str(error.value) == (
        "Unknown schedule: 'liner'. Did you mean 'linear'? Expected one of: "
        "exponential, linear."
    )
    with pytest.raises(ValueError, match="Unknown schedule: 7"):
        lookup.choose(7, things, "schedule")


def test_streams_depend_on_seed_and_names():
    def draw(*key):
        return seeds.stream(*key).integers(0, 2**62)

    assert draw(1, "a", "b") == draw(1, "a", "b")
    keys = [(1, "a"), (2, "a"), (1, "b"), (1, "a", "b"), (1, "a", 0)]
    assert len({draw(*key) for key in keys}) == len(keys)
    # The same in every process: 1402578716 is the CRC-32 of "ties".
    expected = np.random.default_rng([0, 1, 1_402_578_716])
    assert draw(0, "ties") == expected.integers(0, 2**62)


def test_untouched_restores_global_random_state():
    python, numpy = random.getstate(), np.random.get_state()[1].copy()
    with seeds.untouched():
        random.random()
        np.random.random()
    assert random.getstate() == python
    np.testing.assert_array_equal(np.random.get_state()[1], numpy)


@pytest.mark.parametrize("seed", [-1, 1.5, None, True, "0"])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ValueError, match="seed="):
        seeds.check(seed)
