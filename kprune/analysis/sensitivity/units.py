"""The units of a sweep: a weight, a layer, a block of layers."""

import dataclasses

from kprune.masking import weights
from kprune.runtime import identity, lookup
from kprune.scoring import blocks


@dataclasses.dataclass(frozen=True)
class Unit:
    """What is pruned at a time.

    Attributes:
        name: Name of the weight, the layer or the block.
        weights: Names of the weights it stands for, a tuple. Of channels, it
            is the first weight of each group of layers that make them.
        groups: How many groups they have, of what is removed as one.
    """

    name: str
    weights: tuple
    groups: int


def divide(view, families, kind):
    """Returns the units that the weights of a model are divided into.

    Args:
        view: A `weights.View`.
        families: Dict from the name of a weight to its number of groups.
        kind: `"weight"`, `"layer"` or `"block"`.

    Returns:
        List of `Unit`, in the order of the model.
    """
    name_of = lookup.choose(kind, KINDS, "value of `unit`")(view)
    found = {}
    for family in families:
        found.setdefault(name_of(family), []).append(family)
    return [
        Unit(name, tuple(names), sum(families[n] for n in names))
        for name, names in found.items()
    ]


def _by_weight(view):
    del view
    return lambda name: name


def _by_layer(view):
    """A weight alone in its layer gives it the layer's name, too."""
    del view
    return lambda name: name.rpartition("/")[0] or name


def _by_block(view):
    owners = identity.ByIdentity()
    for block in blocks.find(view):
        for weight in weights.find(block):
            owners[weight.variable] = block
    found = {w.name: owners.get(w.variable) for w in view}
    layer = _by_layer(view)

    def name_of(name):
        block = found[name]
        return layer(name) if block is None else _path(name, block)

    return name_of


def _path(name, block):
    """Returns the name of a weight up to that of its block; a block that its
    attribute names, not its own, has its own name."""
    parts = name.split("/")
    if block.name not in parts:
        return block.name
    return "/".join(parts[: parts.index(block.name) + 1])


KINDS = {"weight": _by_weight, "layer": _by_layer, "block": _by_block}
