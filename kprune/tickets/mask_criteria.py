"""Mask criteria of "Deconstructing Lottery Tickets" (Zhou et al., 2019).

https://arxiv.org/abs/1905.01067

Scores of weights by where they began and where training has taken them. All
have one signature, (initial, final) arrays to an array; higher is kept.
"""

import inspect

import numpy as np

from kprune.masking import masks
from kprune.runtime import checks, lookup, seeds
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


def large_final(initial, final):
    """|w_f|, the lottery ticket's."""
    del initial
    return np.abs(final)


def small_final(initial, final):
    """-|w_f|"""
    del initial
    return -np.abs(final)


def large_init(initial, final):
    """|w_i|"""
    del final
    return np.abs(initial)


def small_init(initial, final):
    """-|w_i|"""
    del final
    return -np.abs(initial)


def large_init_large_final(initial, final, alpha=1.0):
    """min(alpha |w_f|, |w_i|)"""
    return np.minimum(alpha * np.abs(final), np.abs(initial))


def small_init_small_final(initial, final, alpha=1.0):
    """-max(alpha |w_f|, |w_i|)"""
    return -np.maximum(alpha * np.abs(final), np.abs(initial))


def magnitude_increase(initial, final):
    """|w_f| - |w_i|"""
    return np.abs(final) - np.abs(initial)


def movement(initial, final):
    """|w_f - w_i|"""
    return np.abs(np.subtract(final, initial))


def large_final_same_sign(initial, final):
    """|w_f| where the sign is that of w_i; what changed it comes after."""
    return _only(np.sign(initial) == np.sign(final), final)


def large_final_different_sign(initial, final):
    """|w_f| where the sign is not that of w_i; what kept it comes after."""
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
def zhou_masks(initial, final, criterion, sparsity, *, seed=0, **options):
    """Returns masks by one of the paper's criteria, a share of each weight.

    Args:
        initial: Dict from a weight's name to its array before training.
        final: The same after it.
        criterion: String, one of `kprune.tickets.CRITERIA`, or a function of
            (initial, final) arrays to scores.
        sparsity: Share of each weight to remove, in [0, 1), or a dict of
            shares by name.
        seed: Integer >= 0, for ties.
        **options: `alpha` of the criteria that have it.

    Returns:
        Dict from name to a boolean array, for `kprune.set_masks`.

    Raises:
        ValueError: If an argument does not fit.

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
    known = list(inspect.signature(criterion).parameters)[2:]
    lookup.check_options(options, known, "the mask criterion")
    _check_pairs(initial, final)
    shares = sparsity
    if not isinstance(sparsity, dict):
        shares = dict.fromkeys(initial, sparsity)
    _check_shares(shares, initial)
    found = {}
    for name in initial:
        both = np.asarray(initial[name]), np.asarray(final[name])
        scores = checks.array("scores", criterion(*both, **options))
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
    """Ranks what is wanted before all that is not, each by |w_f|."""
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
