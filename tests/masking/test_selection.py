"""Exact selection among candidates, against a sort of all scores."""

import numpy as np
import pytest

from kprune.masking import masks, selection

COUNT = 3000


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(selection, "_FEW", 100)
    monkeypatch.setattr(selection, "_SAMPLE", 512)
    monkeypatch.setattr(selection, "_MARGIN", 45)


def scores(kind):
    rng = np.random.default_rng(3)
    distinct = np.exp(3 * rng.normal(size=COUNT))
    return {
        "distinct": distinct,
        "float32": distinct.astype("float32"),
        "half zero": np.where(distinct > 1, distinct, 0),
        "few values": np.round(rng.normal(size=COUNT)),
        "mostly one": np.where(rng.random(COUNT) < 0.9, 1.0, distinct),
        "all equal": np.ones(COUNT),
        "infinite": np.where(rng.random(COUNT) < 0.1, np.inf, -distinct),
        # A sample of each sixth is far from all of them.
        "periodic": np.where(np.arange(COUNT) % 6, distinct, 1e9),
        "ascending": np.arange(COUNT),
    }[kind]


KINDS = (
    "distinct",
    "float32",
    "half zero",
    "few values",
    "mostly one",
    "all equal",
    "infinite",
    "periodic",
    "ascending",
)


def by_sorting(flat, k, rng):
    """Returns what `top_k` marks, by a sort of all scores."""
    if k == 0:
        return np.zeros(flat.size, bool)
    border = np.sort(flat)[flat.size - k]
    kept = flat > border
    missing, ties = k - kept.sum(), np.flatnonzero(flat == border)
    if missing < ties.size:
        ties = rng.choice(ties, missing, replace=False, shuffle=False)
    kept[ties] = True
    return kept


@pytest.mark.parametrize("kind", KINDS)
def test_selection_marks_what_a_sort_does_whatever_the_guess(kind):
    flat = scores(kind)
    parts = [flat[:700], flat[700:701], flat[701:]]
    for k in (0, 1, 2, 63, 300, 1500, 2900, COUNT - 1, COUNT):
        expected = by_sorting(flat, k, np.random.default_rng(k))
        if k:
            border = np.sort(flat)[COUNT - k]
            assert selection.kth_largest(parts, k) == border
        guesses = [None, -np.inf, np.inf, *flat[:3], *([border] if k else [])]
        for near in guesses:
            found = selection.top_k(flat, k, np.random.default_rng(k), near)
            np.testing.assert_array_equal(found, expected, err_msg=f"{near}")


def test_candidates_are_few_and_a_wrong_guess_is_given_up():
    flat = scores("distinct")
    assert (
        selection._among_candidates([flat], 1500, COUNT)
        == (np.sort(flat)[COUNT - 1500])
    )
    periodic = scores("periodic")
    assert selection._among_candidates([periodic], 1500, COUNT) is None
    assert selection._among_candidates([np.ones(COUNT)], 9, COUNT) == 1
    many = scores("few values") + 0.0
    assert selection.kth_largest([many], 1500) == np.sort(many)[COUNT - 1500]


def test_nan_is_refused_at_the_door():
    for call in (
        lambda x: masks.top_k(x, 2, np.random.default_rng(0)),
        lambda x: masks.kth_largest([np.ones(3), x], 2),
    ):
        with pytest.raises(ValueError, match="hold NaN"):
            call(np.array([1.0, np.nan, 3.0]))


@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize("kinds", [0, 2, 3])
def test_each_owner_keeps_its_highest(equal, kinds):
    # `kinds` different scores, or all different; owners of as many, or not.
    draw = np.random.default_rng(kinds)
    for _ in range(30):
        count, each = draw.integers(1, 6, 2)
        owners = draw.permutation(np.tile(np.arange(count), each))
        if not equal:
            owners = np.append(owners, 0)
        scores = draw.normal(size=owners.size)
        if kinds:
            scores = draw.integers(0, kinds, owners.size).astype(float)
        room = np.bincount(owners, minlength=count)
        counts = draw.integers(0, room + 1)
        kept = selection.top_k_of_each(scores, owners, counts, draw)
        for owner in range(count):
            own, marked = scores[owners == owner], kept[owners == owner]
            highest = np.sort(own)[::-1][: counts[owner]]
            assert marked.sum() == counts[owner]
            np.testing.assert_array_equal(np.sort(own[marked])[::-1], highest)


def test_equal_scores_of_an_owner_are_drawn():
    scores, owners = np.array([1.0, 1, 1, 2, 3, 4]), np.repeat([0, 1], 3)
    found = {
        tuple(
            selection.top_k_of_each(
                scores, owners, np.array([1, 2]), np.random.default_rng(seed)
            )
        )
        for seed in range(20)
    }
    assert len(found) == 3 and all(one[3:] == (0, 1, 1) for one in found)
