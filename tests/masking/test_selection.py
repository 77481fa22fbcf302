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
