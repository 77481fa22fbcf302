"""Actions on kept and removed weights (Zhou et al., 2019).

https://arxiv.org/abs/1905.01067

1-actions set what a mask keeps, 0-actions what it removes. Both are functions
of (initial, final, mask, rng) arrays to values; only those of their side count.
"""

import numpy as np

from kprune.runtime import checks, lookup, seeds
from kprune.runtime.doors import checked


def rewind(initial, final, mask, rng):
    """w_i."""
    del final, mask, rng
    return initial


def stay(initial, final, mask, rng):
    """w_f."""
    del initial, mask, rng
    return final


def reinitialize(initial, final, mask, rng):
    """Draws of N(mean, std) of the initial weights."""
    del final, mask
    return rng.normal(initial.mean(), initial.std(), initial.shape)


def reshuffle(initial, final, mask, rng):
    """The w_i of what is kept, in another order."""
    del final
    shuffled = initial.copy()
    shuffled[mask] = rng.permutation(initial[mask])
    return shuffled


def signed_reinitialize(initial, final, mask, rng):
    """`reinitialize`, with the signs of w_i."""
    return np.sign(initial) * np.abs(reinitialize(initial, final, mask, rng))


def signed_reshuffle(initial, final, mask, rng):
    """`reshuffle`, with the signs of w_i in their places."""
    return np.sign(initial) * np.abs(reshuffle(initial, final, mask, rng))


def signed_constant(initial, final, mask, rng):
    """std(w_i), with the signs of w_i."""
    del final, mask, rng
    return np.sign(initial) * initial.std()


def zero(initial, final, mask, rng):
    """0."""
    del final, mask, rng
    return np.zeros_like(initial)


def freeze_init_zero_mask(initial, final, mask, rng):
    """w_i where training moved it away from 0, else 0."""
    del mask, rng
    return np.where(_grew(initial, final), initial, 0)


_SIGNED = (signed_reinitialize, signed_reshuffle, signed_constant)
_ONE = (rewind, stay, reinitialize, reshuffle, *_SIGNED)
ONE_ACTIONS = {action.__name__: action for action in _ONE}
ZERO_ACTIONS = {
    "zero": zero,
    "freeze_init": rewind,
    "freeze_init_zero_mask": freeze_init_zero_mask,
    "freeze_init_zero_all": freeze_init_zero_mask,  # Of what is kept as well.
}


@checked(initial=checks.arrays, final=checks.arrays)
def zhou_values(
    initial, final, masks, kept="rewind", removed="zero", *, seed=0
):
    """Returns weights after the paper's actions.

    `kprune.Masked` computes with 0 for all that is removed: only values of the
    0-action `"zero"` are for a model with masks. Others are for a plain model,
    in a training loop that holds what is removed.

    Args:
        initial: Dict from a weight's name to its array before training.
        final: The same after it.
        masks: Dict from name to a boolean array, True where it is kept.
        kept: String, one of `kprune.tickets.ONE_ACTIONS`: `"rewind"`,
            `"stay"`, `"reinitialize"`, `"reshuffle"` (within the weight),
            these two with `"signed_"` before them, or `"signed_constant"`.
        removed: String, one of `kprune.tickets.ZERO_ACTIONS`: `"zero"`,
            `"freeze_init"`, `"freeze_init_zero_mask"` or
            `"freeze_init_zero_all"`, which changes what is kept as well.
        seed: Integer >= 0, of what is drawn.

    Returns:
        Dict from name to an array of the dtype of `initial`.

    Raises:
        ValueError: If there is no such action.

    Example:

    >>> kprune.tickets.zhou_values(
    ...     {"w": [1.0, -3.0]}, {"w": [2.0, 3.0]}, {"w": [True, False]})
    {'w': array([1., 0.])}
    """
    one = lookup.choose(kept, ONE_ACTIONS, "action on what is kept")
    other = lookup.choose(removed, ZERO_ACTIONS, "action on what is removed")
    _check_alike(initial, final, masks)
    found = {}
    for name, mask in masks.items():
        start, end = np.asarray(initial[name]), np.asarray(final[name])
        mask = np.asarray(mask, bool)
        rng = seeds.stream(seed, "zhou_values", name)
        values = one(start, end, mask, rng)
        if removed == "freeze_init_zero_all":
            values = np.where(_grew(start, end), values, 0)
        values = np.where(mask, values, other(start, end, mask, rng))
        found[name] = values.astype(start.dtype)
    return found


def _check_alike(initial, final, masks):
    for name, mask in masks.items():
        shapes = [np.shape(of.get(name)) for of in (initial, final)]
        known = name in initial and name in final
        if not known or {*shapes} != {np.shape(mask)}:
            raise ValueError(
                "Expected `initial` and `final` to have arrays of each mask's "
                f"name and shape. They do not have {name!r} of shape "
                f"{np.shape(mask)}."
            )


def _grew(initial, final):
    return np.abs(final) > np.abs(initial)
