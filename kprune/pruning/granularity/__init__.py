"""Granularities, the units of pruning: a weight, a channel, N of M, a block.

A granularity groups the entries of a model's weights: it pools their scores
to one per group, finds the groups with a live weight, and expands the kept
groups to masks. Most treat each weight tensor by itself, by its
`kprune.masking.layouts.Layout`.
"""

import re

from kprune.pruning.granularity.base import ByWeight, Granularity, Weight
from kprune.pruning.granularity.block import Block
from kprune.pruning.granularity.channel import Channel
from kprune.pruning.granularity.kernel import Kernel
from kprune.pruning.granularity.n_of_m import NM
from kprune.pruning.granularity.residual_block import ResidualBlock
from kprune.runtime import lookup

__all__ = [
    "NM",
    "Block",
    "ByWeight",
    "Channel",
    "Granularity",
    "Kernel",
    "ResidualBlock",
    "Weight",
    "get",
    "names",
]
_ALL = {
    "weight": Weight,
    "channel": Channel,
    "kernel": Kernel,
    "residual_block": ResidualBlock,
}


def names() -> list[str]:
    """Returns the names of the granularities that need no argument, sorted."""
    return sorted(_ALL)


def get(identifier: str | Granularity) -> Granularity:
    """Returns a granularity by name; an object is returned unchanged.

    Args:
        identifier: A name (`"weight"`, `"channel"`, `"2:4"`), or an object.

    Raises:
        ValueError: If there is no such granularity.
    """
    if hasattr(identifier, "pool") and hasattr(identifier, "expand"):
        return identifier  # type: ignore[return-value]
    pattern = re.fullmatch(r"(\d+):(\d+)", str(identifier))
    if pattern:
        return NM(int(pattern[1]), int(pattern[2]))
    return lookup.choose(identifier, _ALL, "granularity")()
