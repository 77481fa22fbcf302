"""Shuffled masks: what they keep, and what they do not."""

import numpy as np
import pytest

from kprune.analysis import sanity
from kprune.masking import masks as masks_


def masks():
    """Three masks that keep 7 of 60, 20 of 40 and all of 10."""
    a = np.zeros((6, 10), bool)
    a[0, :7] = True
    b = np.repeat([True, False], 20).reshape(4, 10)
    return {"a": a, "b": b, "c": np.ones((5, 2), bool)}


def counts(found):
    return {name: int(mask.sum()) for name, mask in found.items()}


@pytest.mark.parametrize("draw", [sanity.shuffle, sanity.random_same_counts])
def test_a_shuffle_moves_the_mask_and_keeps_the_counts(draw):
    before, given = masks(), masks()
    found = draw(given, seed=1)
    assert counts(found) == {"a": 7, "b": 20, "c": 10}
    assert all(found[n].shape == before[n].shape for n in before)
    assert (found["a"] != before["a"]).any()
    assert (found["b"] != before["b"]).any()
    for name in before:  # What was given is as it was.
        np.testing.assert_array_equal(given[name], before[name])


def test_a_global_shuffle_keeps_the_sum_alone():
    found = sanity.shuffle(masks(), seed=1, scope="global")
    assert sum(counts(found).values()) == 37
    # 37 of 110 are kept: of c's 10 all only once in 10^5 draws.
    assert counts(found)["c"] < 10


def test_a_shuffle_depends_on_the_seed_alone():
    one, again = sanity.shuffle(masks(), seed=1), sanity.shuffle(masks(), 1)
    assert masks_.overlap(one, again) == 1
    assert masks_.overlap(one, sanity.shuffle(masks(), seed=2)) < 1
    assert masks_.overlap(one, sanity.random_same_counts(masks(), 1)) < 1
    turned = dict(reversed(masks().items()))
    for scope in ("layer", "global"):
        one = sanity.shuffle(masks(), 1, scope)
        assert masks_.overlap(one, sanity.shuffle(turned, 1, scope)) == 1


def test_two_masks_of_one_shape_are_shuffled_apart():
    same = {"a": masks()["a"], "b": masks()["a"]}
    found = sanity.shuffle(same, seed=1)
    assert (found["a"] != found["b"]).any()


def test_each_place_is_as_likely():
    mask = {"a": np.arange(4) < 1}
    draws = [sanity.shuffle(mask, seed)["a"] for seed in range(400)]
    # 100 +- 8.7 each: 40 is more than four deviations.
    assert (np.abs(np.sum(draws, axis=0) - 100) < 40).all()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (({}, 0), "`masks`. Expected a dict"),
        (([], 0), "`masks`. Expected a dict"),
        (
            ({"a": np.array([0.5])}, 0),
            r"`masks\['a'\]`. Expected .* boolean",
        ),
        ((masks(), -1), "`seed`"),
        ((masks(), 0, "layers"), "Did you mean 'layer'"),
    ],
)
def test_bad_input_is_answered(arguments, expected):
    with pytest.raises(ValueError, match=expected):
        sanity.shuffle(*arguments)
