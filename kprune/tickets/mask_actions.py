"""Actions on kept and removed weights (Zhou et al., 2019).

https://arxiv.org/abs/1905.01067

1-actions set the weights that a mask keeps, 0-actions those that it removes.
Both are functions of (initial, final, mask, rng) that return an array, of which
only the entries on their side are used.
"""

import numpy as np

from kprune.runtime import checks, lookup, seeds, types
from kprune.runtime.doors import checked


def rewind(
    initial: np.ndarray,
    final: np.ndarray,
    mask: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Returns w_i."""
    del final, mask, rng
    return initial


def stay(
    initial: np.ndarray,
    final: np.ndarray,
    mask: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Returns w_f."""
    del initial, mask, rng
    return final


def reinitialize(
    initial: np.ndarray,
    final: np.ndarray,
    mask: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draws from N(mean(w_i), std(w_i))."""
    del final, mask
    return rng.normal(initial.mean(), initial.std(), initial.shape)


def reshuffle(
    initial: np.ndarray,
    final: np.ndarray,
    mask: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Returns w_i with its kept entries shuffled."""
    del final
    shuffled = initial.copy()
    shuffled[mask] = rng.permutation(initial[mask])
    return shuffled


def signed_reinitialize(
    initial: np.ndarray,
    final: np.ndarray,
    mask: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Returns |`reinitialize`| with the signs of w_i."""
    return np.sign(initial) * np.abs(reinitialize(initial, final, mask, rng))


def signed_reshuffle(
    initial: np.ndarray,
    final: np.ndarray,
    mask: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Returns |`reshuffle`| with the signs of w_i, not shuffled."""
    return np.sign(initial) * np.abs(reshuffle(initial, final, mask, rng))


def signed_constant(
    initial: np.ndarray,
    final: np.ndarray,
    mask: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Returns std(w_i) with the signs of w_i."""
    del final, mask, rng
    return np.sign(initial) * initial.std()


def zero(
    initial: np.ndarray,
    final: np.ndarray,
    mask: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Returns zeros."""
    del final, mask, rng
    return np.zeros_like(initial)


def freeze_init_zero_mask(
    initial: np.ndarray,
    final: np.ndarray,
    mask: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Returns w_i where training increased its magnitude, else 0."""
    del mask, rng
    return np.where(_grew(initial, final), initial, 0)


_SIGNED = (signed_reinitialize, signed_reshuffle, signed_constant)
_ONE = (rewind, stay, reinitialize, reshuffle, *_SIGNED)
ONE_ACTIONS = {action.__name__: action for action in _ONE}
ZERO_ACTIONS = {
    "zero": zero,
    "freeze_init": rewind,
    "freeze_init_zero_mask": freeze_init_zero_mask,
    "freeze_init_zero_all": freeze_init_zero_mask,  # Zeroes kept weights too.
}


@checked(initial=checks.arrays, final=checks.arrays)
def zhou_values(
    initial: types.Weights,
    final: types.Weights,
    masks: types.Masks,
    kept: str = "rewind",
    removed: str = "zero",
    *,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Returns weights after the paper's actions.

    `kprune.Masked` computes with 0 for removed weights, so a model with masks
    needs the 0-action `"zero"`. The other 0-actions are for a plain model and
    a training loop that holds the removed weights constant.

    Args:
        initial: Dict from a weight's name to its array before training.
        final: Dict from a weight's name to its array after training.
        masks: Dict from name to a boolean array, True where it is kept.
        kept: String, one of `kprune.tickets.ONE_ACTIONS`: `"rewind"`,
            `"stay"`, `"reinitialize"`, `"reshuffle"` (within the weight),
            these two with the prefix `"signed_"`, or `"signed_constant"`.
            Defaults to `"rewind"`.
        removed: String, one of `kprune.tickets.ZERO_ACTIONS`: `"zero"`,
            `"freeze_init"`, `"freeze_init_zero_mask"` or
            `"freeze_init_zero_all"`, which changes kept weights too. Defaults
            to `"zero"`.
        seed: Integer >= 0, for random actions. Defaults to 0.

    Returns:
        Dict from name to an array of the dtype of `initial`.

    Raises:
        ValueError: If an action is unknown, or names or shapes differ.

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
