"""Mask criteria of "Deconstructing Lottery Tickets" (Zhou et al., 2019).

https://arxiv.org/abs/1905.01067

Scores of weights by their initial and final values. All are functions of
(initial, final) arrays that return an array; higher is kept.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from kprune.masking import masks
from kprune.runtime import checks, lookup, seeds, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


def large_final(initial: np.ndarray, final: np.ndarray) -> np.ndarray:
    """Returns |w_f|, the criterion of lottery tickets."""
    del initial
    return np.abs(final)


def small_final(initial: np.ndarray, final: np.ndarray) -> np.ndarray:
    """Returns -|w_f|."""
    del initial
    return -np.abs(final)


def large_init(initial: np.ndarray, final: np.ndarray) -> np.ndarray:
    """Returns |w_i|."""
    del final
    return np.abs(initial)


def small_init(initial: np.ndarray, final: np.ndarray) -> np.ndarray:
    """Returns -|w_i|."""
    del final
    return -np.abs(initial)


def large_init_large_final(
    initial: np.ndarray, final: np.ndarray, alpha: float = 1.0
) -> np.ndarray:
    """Returns min(alpha |w_f|, |w_i|)."""
    return np.minimum(alpha * np.abs(final), np.abs(initial))


def small_init_small_final(
    initial: np.ndarray, final: np.ndarray, alpha: float = 1.0
) -> np.ndarray:
    """Returns -max(alpha |w_f|, |w_i|)."""
    return -np.maximum(alpha * np.abs(final), np.abs(initial))


def magnitude_increase(initial: np.ndarray, final: np.ndarray) -> np.ndarray:
    """Returns |w_f| - |w_i|."""
    return np.abs(final) - np.abs(initial)


def movement(initial: np.ndarray, final: np.ndarray) -> np.ndarray:
    """Returns |w_f - w_i|."""
    return np.abs(np.subtract(final, initial))


def large_final_same_sign(initial: np.ndarray, final: np.ndarray) -> np.ndarray:
    """Ranks by |w_f|, weights with the sign of w_i before all others."""
    return _only(np.sign(initial) == np.sign(final), final)


def large_final_different_sign(
    initial: np.ndarray, final: np.ndarray
) -> np.ndarray:
    """Ranks by |w_f|, weights whose sign changed before all others."""
    return _only(np.sign(initial) != np.sign(final), final)


_BY_ONE = (large_final, small_final, large_init, small_init)
_BY_BOTH = (large_init_large_final, small_init_small_final)
_BY_CHANGE = (magnitude_increase, movement)
_BY_SIGN = (large_final_same_sign, large_final_different_sign)
CRITERIA = {
    criterion.__name__: criterion
    for criterion in (*_BY_ONE, *_BY_BOTH, *_BY_CHANGE, *_BY_SIGN)
}


@checked(initial=checks.arrays, final=checks.arrays, sparsity=None)
def zhou_masks(
    initial: types.Weights,
    final: types.Weights,
    criterion: str | Callable[..., Any],
    sparsity: float | dict[str, float],
    *,
    seed: int = 0,
    **options: Any,
) -> dict[str, np.ndarray]:
    """Returns masks that prune each weight by one of the paper's criteria.

    Args:
        initial: Dict from a weight's name to its array before training.
        final: Dict from a weight's name to its array after training.
        criterion: String, one of `kprune.tickets.CRITERIA`, or a function from
            (initial, final) arrays to an array of scores.
        sparsity: Share of each weight to remove, in [0, 1), or a dict of
            shares by name.
        seed: Integer >= 0, for ties. Defaults to 0.
        **options: Options of the criterion, such as `alpha`.

    Returns:
        Dict from name to a boolean array, for `kprune.set_masks`.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    >>> kprune.tickets.zhou_masks(
    ...     {"w": [1.0, -3.0, 2.0]}, {"w": [2.0, 3.0, 1.0]}, "movement", 2 / 3
    ... )
    {'w': array([False,  True, False])}
    """
    if callable(criterion):
        checks.function("criterion", criterion, 2, "(initial, final)")
    else:
        criterion = lookup.choose(criterion, CRITERIA, "mask criterion")
    known = list(inspect.signature(criterion).parameters)[2:]  # type: ignore[arg-type]
    lookup.check_options(options, known, "the mask criterion")
    _check_pairs(initial, final)
    shares: Any = sparsity
    if not isinstance(sparsity, dict):
        shares = dict.fromkeys(initial, sparsity)
    _check_shares(shares, initial)
    found = {}
    for name in initial:
        both = np.asarray(initial[name]), np.asarray(final[name])
        scores = checks.array("scores", criterion(*both, **options))  # type: ignore[operator]
        _check_scores(name, scores, both)
        kept = masks.count_kept(scores.size, shares[name])
        rng = seeds.stream(seed, "zhou_masks", name)
        found[name] = masks.top_k(scores, kept, rng)
    return found


def _check_pairs(initial, final):
    shapes = [
        {name: np.shape(array) for name, array in arrays.items()}
        for arrays in (initial, final)
    ]
    if shapes[0] != shapes[1]:
        differ = sorted({n for n, _ in shapes[0].items() ^ shapes[1].items()})
        raise ValueError(
            "Expected `initial` and `final` of the same weights, of the same "
            f"shapes. They differ in: {differ}"
        )


def _check_scores(name, scores, both):
    if np.shape(scores) != both[0].shape:
        raise ValueError(
            f"Expected the criterion to give scores of {name!r} of shape "
            f"{both[0].shape}. Received: {np.shape(scores)}"
        )


def _check_shares(shares, initial):
    if set(shares) != set(initial):
        raise ValueError(
            "Expected `sparsity` to have a share of each weight, or to be one "
            f"number. It differs in: {sorted(set(shares) ^ set(initial))}"
        )
    for name, share in shares.items():
        checks.sparsity(f"sparsity[{name!r}]", share)


def _only(wanted, final):
    """Returns |w_f|, lowered where not `wanted` to rank below the rest."""
    size = np.abs(final)
    return np.where(wanted, size, size - size.max(initial=0) - 1)


METHOD = Method(
    "zhou_masks",
    title="mask criteria and actions",
    call='kprune.tickets.zhou_masks(initial, final, "large_final", 0.9)',
    paper="Zhou et al., 2019",
    link="https://arxiv.org/abs/1905.01067",
    test="tests/tickets/test_mask_criteria.py::test_criterion",
)
