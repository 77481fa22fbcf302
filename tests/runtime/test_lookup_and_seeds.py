"""Names to things, and one seed to many streams."""

import concurrent.futures
import random

import keras
import numpy as np
import pytest
from keras.src.random import seed_generator

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


def default_seeds(count=4):
    """Returns what Keras draws for initializers without a seed."""
    makers = [keras.initializers.GlorotUniform() for _ in range(count)]
    return [maker.seed for maker in makers]


def test_within_untouched_keras_draws_the_same_and_changes_nothing():
    random.seed(3)
    expected = default_seeds()
    random.seed(3)
    with seeds.untouched():
        assert default_seeds() == expected
        with seeds.untouched():
            inner = default_seeds()
        assert default_seeds() == inner != expected
    assert default_seeds() == expected
    assert seed_generator.python_random is random


def test_untouched_takes_back_no_draw_of_another_thread():
    np.random.seed(0)
    expected = np.random.random(2)
    np.random.seed(0)
    with seeds.untouched():
        drawn = run_in_thread(np.random.random)
    assert [drawn, np.random.random()] == list(expected)


def test_another_thread_draws_as_if_no_one_were_within_untouched():
    random.seed(3)
    expected = default_seeds(8)
    random.seed(3)
    with seeds.untouched():
        default_seeds()
        first = run_in_thread(default_seeds)
    assert first + default_seeds() == expected


def run_in_thread(function):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


@pytest.mark.parametrize("seed", [-1, 1.5, None, True, "0"])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ValueError, match="seed="):
        seeds.check(seed)
