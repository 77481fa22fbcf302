"""Shuffles masks, keeping nothing but their counts."""

import numpy as np

from kprune.runtime import checks, lookup, seeds
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method

_SCOPES = ("layer", "global")


@checked()
def shuffle(masks, seed=0, scope="layer"):
    """Permutes masks: what is left of a method is how many each layer keeps.

    For masks of single weights. What is pruned by channels, blocks or N of M
    is shuffled by its groups in `kprune.sanity.checked(method, "shuffle")`.
    Set the masks on the model as it was before it was pruned: in the pruned
    one the weights that they bring back are zero.

    Args:
        masks: Dict from weight name to boolean array. It is left as it was.
        seed: Integer >= 0.
        scope: `"layer"` permutes each weight by itself, and each keeps its
            count; `"global"` permutes all together, which keeps their sum.

    Returns:
        Dict like `masks`.

    Raises:
        ValueError: If an argument does not fit.

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
    names = sorted(masks)  # So that their order in the dict does not count.
    together = np.concatenate([masks[name].ravel() for name in names])
    together = seeds.stream(seed, "shuffle all").permutation(together)
    ends = np.cumsum([masks[name].size for name in names])[:-1]
    parts = dict(zip(names, np.split(together, ends), strict=True))
    return {name: parts[name].reshape(m.shape) for name, m in masks.items()}


@checked()
def random_same_counts(masks, seed=0):
    """Draws random masks that keep as many of each weight as others do.

    By its law this is `shuffle` by layer, which is all that a permutation of
    a mask can keep; it is another draw of it. Arguments are as for `shuffle`.

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
