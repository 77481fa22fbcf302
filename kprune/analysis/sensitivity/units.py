"""The units of a sweep: a weight, a layer, a block of layers."""

import dataclasses

from kprune.masking import weights
from kprune.runtime import identity, lookup
from kprune.scoring import blocks


@dataclasses.dataclass(frozen=True)
class Unit:
    """Weights that are pruned together.

    Attributes:
        name: Name of the weight, layer or block.
        weights: Tuple of the names of its weights. Of channels that several
            layers produce together, only the first weight is named.
        groups: Number of groups in these weights; a group is removed as a
            whole.
    """

    name: str
    weights: tuple[str, ...]
    groups: int


def divide(view, families, kind):
    """Divides the weights of a model into units.

    Args:
        view: A `weights.View`.
        families: Dict from the name of a weight to its number of groups.
        kind: `"weight"`, `"layer"` or `"block"`.

    Returns:
        List of `Unit`, in the model's order.
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
    """Names a weight after its layer, even if it is the layer's only one."""
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
    """Returns a weight's name up to the name of its block.

    Where the path has the attribute's name in place of the block's own, it
    returns the block's own name.
    """
    parts = name.split("/")
    if block.name not in parts:
        return block.name
    return "/".join(parts[: parts.index(block.name) + 1])


KINDS = {"weight": _by_weight, "layer": _by_layer, "block": _by_block}
