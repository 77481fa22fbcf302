"""Shuffles masks, keeping only their counts."""

import numpy as np

from kprune.runtime import checks, lookup, seeds
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.runtime.types import Masks

_SCOPES = ("layer", "global")


@checked()
def shuffle(
    masks: Masks, seed: int = 0, scope: str = "layer"
) -> dict[str, np.ndarray]:
    """Permutes masks, so that only the number of kept entries is left of them.

    This is for masks of single weights. To shuffle channels, blocks or N:M
    groups as wholes, use `kprune.sanity.checked(method, "shuffle")`. Set the
    masks on the model before pruning: in the pruned model, the entries that
    they restore are zero.

    Args:
        masks: Dict from weight name to boolean array. It is not modified.
        seed: Integer >= 0.
        scope: `"layer"` permutes each mask by itself, which keeps its count;
            `"global"` permutes all together, which keeps the total.

    Returns:
        Dict of boolean arrays with the names and shapes of `masks`.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    >>> pruned = kprune.prune(model, "magnitude", sparsity=0.9)
    >>> masks = kprune.sanity.shuffle(kprune.get_masks(pruned), seed=1)
    >>> shuffled = kprune.wrap(model)
    >>> kprune.set_masks(shuffled, masks)
    """
    lookup.choose(scope, dict.fromkeys(_SCOPES), "scope")
    masks = _checked(masks)
    if scope == "layer":
        return _permuted(masks, seed, "shuffle")
    names = sorted(masks)  # The draw must not depend on the dict's order.
    together = np.concatenate([masks[name].ravel() for name in names])
    together = seeds.stream(seed, "shuffle all").permutation(together)
    ends = np.cumsum([masks[name].size for name in names])[:-1]
    parts = dict(zip(names, np.split(together, ends), strict=True))
    return {name: parts[name].reshape(m.shape) for name, m in masks.items()}


@checked()
def random_same_counts(masks: Masks, seed: int = 0) -> dict[str, np.ndarray]:
    """Draws random masks that keep as many entries of each weight as `masks`.

    The distribution is that of `shuffle` with `scope="layer"`; the draw is
    another. Arguments are as for `shuffle`.

    Example:

    >>> model = kprune.prune(model, "magnitude", sparsity=0.9)
    >>> masks = kprune.sanity.random_same_counts(kprune.get_masks(model))
    """
    return _permuted(_checked(masks), seed, "random_same_counts")


def _permuted(masks, seed, purpose):
    return {
        name: seeds.stream(seed, purpose, name)
        .permutation(mask.ravel())
        .reshape(mask.shape)
        for name, mask in masks.items()
    }


def _checked(masks):
    """Returns masks as boolean arrays, or raises `ValueError`."""
    expected = "a dict of masks, as kprune.get_masks gives"
    checks.require(bool(masks), "masks", masks, expected)
    return {name: np.asarray(mask, bool) for name, mask in masks.items()}


METHOD = Method(
    "shuffle",
    title="check: shuffled masks",
    call="kprune.sanity.shuffle(masks, seed=1)",
    paper="Frankle et al., 2021",
    link="https://arxiv.org/abs/2009.08576",
    test="tests/analysis/test_checked_methods.py::"
    "test_a_shuffle_keeps_the_groups_of_each_layer",
)
