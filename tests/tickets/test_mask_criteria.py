"""The criteria and actions of Zhou et al., by hand."""

import numpy as np
import pytest

from kprune import tickets

INITIAL = np.array([1.0, -4.0, 2.0, -3.0])
FINAL = np.array([3.0, -2.0, -5.0, -1.0])


@pytest.mark.parametrize(
    "criterion, scores",
    [
        ("large_final", [3, 2, 5, 1]),
        ("small_final", [-3, -2, -5, -1]),
        ("large_init", [1, 4, 2, 3]),
        ("small_init", [-1, -4, -2, -3]),
        ("large_init_large_final", [1, 2, 2, 1]),
        ("small_init_small_final", [-3, -4, -5, -3]),
        ("magnitude_increase", [2, -2, 3, -2]),
        ("movement", [2, 2, 7, 2]),
        # What is not wanted falls by 5 + 1.
        ("large_final_same_sign", [3, 2, -1, 1]),
        ("large_final_different_sign", [-3, -4, 5, -5]),
    ],
)
def test_criterion(criterion, scores):
    found = tickets.CRITERIA[criterion](INITIAL, FINAL)
    np.testing.assert_array_equal(found, scores)


def test_every_criterion_is_tested():
    (mark,) = test_criterion.pytestmark
    assert {case[0] for case in mark.args[1]} == set(tickets.CRITERIA)


def test_alpha_weighs_the_end_against_the_beginning():
    found = tickets.CRITERIA["large_init_large_final"](
        INITIAL, FINAL, alpha=0.5
    )
    np.testing.assert_array_equal(found, [1, 1, 2, 0.5])


def test_masks_are_of_exact_shares_by_weight():
    names = {"a": INITIAL, "b": INITIAL}
    ends = {"a": FINAL, "b": FINAL}
    masks = tickets.zhou_masks(
        names, ends, "large_final", {"a": 0.5, "b": 0.75}
    )
    np.testing.assert_array_equal(masks["a"], [1, 0, 1, 0])
    np.testing.assert_array_equal(masks["b"], [0, 0, 1, 0])
    tied = tickets.zhou_masks(names, ends, "movement", 0.5, seed=1)
    for mask in tied.values():
        assert mask[2] and mask.sum() == 2


MASK = np.array([True, True, False, False])


@pytest.mark.parametrize(
    "kept, removed, expected",
    [
        ("rewind", "zero", [1, -4, 0, 0]),
        ("stay", "zero", [3, -2, 0, 0]),
        # sqrt of the mean of (1 + 1)^2, (-4 + 1)^2, (2 + 1)^2, (-3 + 1)^2.
        ("signed_constant", "zero", [6.5**0.5, -(6.5**0.5), 0, 0]),
        ("rewind", "freeze_init", [1, -4, 2, -3]),
        # |w| grew in the first and the third.
        ("rewind", "freeze_init_zero_mask", [1, -4, 2, 0]),
        ("rewind", "freeze_init_zero_all", [1, 0, 2, 0]),
    ],
)
def test_actions(kept, removed, expected):
    found = tickets.zhou_values(
        {"w": INITIAL}, {"w": FINAL}, {"w": MASK}, kept, removed
    )
    np.testing.assert_allclose(found["w"], expected)


@pytest.mark.parametrize("signed", ["", "signed_"])
@pytest.mark.parametrize("action", ["reinitialize", "reshuffle"])
def test_drawn_anew_or_in_another_order(action, signed):
    rng = np.random.default_rng(0)
    initial = rng.normal(0.0, 2.0, 20_000).astype("float32")
    mask = rng.random(20_000) < 0.5
    (values,) = tickets.zhou_values(
        {"w": initial}, {"w": initial}, {"w": mask}, signed + action
    ).values()
    assert values.dtype == "float32"
    assert not values[~mask].any()
    before, after = initial[mask], values[mask]
    if action == "reinitialize":
        assert (before != after).all()
        assert np.std(after) == pytest.approx(2, rel=0.03)
    else:
        assert np.mean(before != after) > 0.99
        sizes = (np.sort(np.abs(x)) for x in (before, after))
        np.testing.assert_array_equal(*sizes)
    same = np.mean(np.sign(before) == np.sign(after))
    assert same == (1 if signed else pytest.approx(0.5, abs=0.02))


def test_draws_follow_from_the_seed():
    one, again, other = (
        tickets.zhou_values(
            {"w": INITIAL}, {"w": FINAL}, {"w": MASK}, "reinitialize", seed=s
        )["w"]
        for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other)[MASK].all()


def test_wrong_names_are_answered():
    weights = {"w": INITIAL}, {"w": FINAL}
    with pytest.raises(ValueError, match="Did you mean 'movement'"):
        tickets.zhou_masks(*weights, "movment", 0.5)
    with pytest.raises(ValueError, match=r"differ in: \['v', 'w'\]"):
        tickets.zhou_masks({"w": INITIAL}, {"v": FINAL}, "movement", 0.5)
    with pytest.raises(ValueError, match=r"same shapes.*\['w'\]"):
        tickets.zhou_masks({"w": INITIAL}, {"w": FINAL[:1]}, "movement", 0.5)
    with pytest.raises(ValueError, match="no options of the mask criterion"):
        tickets.zhou_masks(*weights, "movement", 0.5, alpha=2.0)
    with pytest.raises(ValueError, match=r"share of each weight.*\['w'\]"):
        tickets.zhou_masks(*weights, "movement", {})
    with pytest.raises(ValueError, match=r"in \[0, 1\).*'w'\]=1.5"):
        tickets.zhou_masks(*weights, "movement", 1.5)
    with pytest.raises(ValueError, match="Did you mean 'rewind'"):
        tickets.zhou_values(*weights, {"w": MASK}, "rewnd")
    with pytest.raises(ValueError, match="Unknown action on what is removed"):
        tickets.zhou_values(*weights, {"w": MASK}, removed="one")
