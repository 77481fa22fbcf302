"""Exact ranking, exact counts, and masks on disk."""

import numpy as np
import pytest

from kprune.masking import masks


def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    "total, sparsity, kept",
    [
        # (1 - 0.98) * 1000 is 20.000000000000018 in floats: ceil gives 21.
        (1000, 0.98, 20),
        (100, 0.9, 10),  # int(100 * (1 - 0.9)) is 9.
        (270_896, 0.8, 54_179),  # 54179.2
        (5, 0.5, 2),  # 2.5 rounds to even.
        (7, 0.5, 4),  # 3.5 rounds to even.
        (10, 0.0, 10),
        (3_000_000_000, 0.9, 300_000_000),  # Past float32 and int32.
    ],
)
def test_count_kept_is_exact(total, sparsity, kept):
    assert masks.count_kept(total, sparsity) == kept


@pytest.mark.parametrize(
    "scores",
    [
        np.zeros(1000),
        np.full(1000, 3.5),
        np.r_[np.zeros(500), np.arange(500)],
        np.r_[np.full(990, -np.inf), np.arange(10)],
        np.linspace(-5, 5, 1000),
        np.r_[np.full(500, np.inf), np.zeros(500)],
        rng().normal(size=(7, 11, 13)),
    ],
    ids=["zero", "equal", "half zero", "dead", "signed", "infinite", "cube"],
)
@pytest.mark.parametrize("k", [0, 1, 10, 300])
def test_top_k_keeps_exactly_k_of_the_highest(scores, k):
    kept = masks.top_k(scores, k, rng())
    assert kept.sum() == k
    if k:
        assert scores[kept].min() >= np.sort(scores, axis=None)[-k]


def test_top_k_draws_ties_by_seed_and_not_by_position():
    scores = np.zeros(10_000)
    one = masks.top_k(scores, 1000, np.random.default_rng(1))
    same = masks.top_k(scores, 1000, np.random.default_rng(1))
    other = masks.top_k(scores, 1000, np.random.default_rng(2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    # 500 +- 15 of the kept would lie in the first half by chance.
    assert 400 < one[:5000].sum() < 600


def test_top_k_refuses_nan_and_too_many():
    with pytest.raises(ValueError, match="NaN"):
        masks.top_k(np.array([1.0, np.nan, 2.0]), 1, rng())
    with pytest.raises(ValueError, match="Cannot keep 4 of 3"):
        masks.top_k(np.arange(3.0), 4, rng())


def test_overlap_is_the_jaccard_index_and_hamming_counts_differences():
    one = {"a": np.array([True, True, False]), "b": np.array([True])}
    other = {"a": np.array([True, False, True]), "b": np.array([True])}
    # Both keep 2, either keeps 4.
    assert masks.overlap(one, other) == 0.5
    assert masks.hamming(one, other) == 2
    assert masks.hamming(one, {**other, "b": ~other["b"]}) == 3
    with pytest.raises(ValueError, match="differ in"):
        masks.overlap(one, {"a": one["a"]})


def test_save_and_load_round_trip(tmp_path):
    saved = {
        "conv/kernel": rng().random((3, 3, 5, 7)) < 0.3,
        "fc/kernel": np.zeros((4, 2), bool),
    }
    masks.save(saved, tmp_path / "masks.npz")
    loaded = masks.load(tmp_path / "masks.npz")
    assert set(loaded) == set(saved)
    for name, mask in saved.items():
        assert loaded[name].dtype == bool
        np.testing.assert_array_equal(loaded[name], mask)
    assert [p.name for p in tmp_path.iterdir()] == ["masks.npz"]
    np.savez(tmp_path / "x.npz", a=np.zeros(3))
    with pytest.raises(ValueError, match="Expected masks written by kprune"):
        masks.load(tmp_path / "x.npz")


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"shape/a": np.array([-2, -3])}, "integers >= 0"),
        ({"shape/a": np.array([2.0, 3.0])}, "integers >= 0"),
        ({"shape/a": np.array([2**40, 2**40])}, "bits in"),
        ({"shape/a": np.array([3, 3])}, "9 bits in 2 bytes"),
        ({"bits/a": np.zeros(0, "u1")}, "6 bits in 1 bytes"),
        ({"bits/a": np.zeros(1, bool)}, "Received: bool"),
        ({"bits/a": np.array([1], "u1")}, "zeros after 6 bits"),
        ({"bits/b": np.zeros(1, "u1")}, "without shape/b"),
        ({"more": np.zeros(1)}, "Received: arrays bits/a, more, shape/a"),
    ],
)
def test_masks_that_are_none_are_refused(tmp_path, changes, words):
    path = tmp_path / "masks.npz"
    arrays = {"bits/a": np.zeros(1, "u1"), "shape/a": np.array([2, 3])}
    np.savez(path, **arrays)
    assert not masks.load(path)["a"].any()
    np.savez(path, **{**arrays, **changes})
    with pytest.raises(ValueError, match=f"masks.npz.*{words}"):
        masks.load(path)
