"""Finds the blocks of a network.

A block is a layer that contains layers and has siblings of its own class, such
as the blocks of a transformer.
"""

import collections
import dataclasses

import keras
import tensorflow as tf

from kprune.masking import weights
from kprune.runtime import identity, keras_internals
from kprune.scoring.observer import reads


@dataclasses.dataclass(frozen=True, eq=False)
class Stage:
    """A group of weights that are measured together.

    Args:
        names: Names of the weights.
        block: The layer that contains them all, or `None`. The network calls
            it once and reads the weights nowhere else.
        structure: The structure of the block's (args, kwargs), with each leaf
            replaced by 0.
        link: The source of each leaf of the structure: ("output", i) or
            ("input", i), leaf i of the previous block's outputs or inputs, or
            ("constant", value). `None` if a leaf comes from elsewhere.
        until: A later block at whose call the network has read all these
            weights already, or `None`.
    """

    names: list
    block: object = None
    structure: tuple = ()
    link: list | None = None
    until: object = None


def find(model):
    """Returns the blocks of a model, a list of layers."""
    owners = identity.ByIdentity(
        (weight.layer, True) for weight in weights.prunable(model).values()
    )
    return _below(getattr(model, "model", model), owners)


def places(found, owners):
    """Returns a dict from weight name to the number of its block, without the
    weights outside all blocks.

    Args:
        found: List of layers, the blocks.
        owners: Dict from weight name to the layer that owns the weight.
    """
    inside = identity.ByIdentity(
        (layer, number)
        for number, block in enumerate(found)
        for layer in keras_internals.all_layers(block)
    )
    return {n: inside[layer] for n, layer in owners.items() if layer in inside}


def _below(layer, owners):
    inner = [weights.unwrapped(x) for _, x in weights.children(layer)]
    inner = [layer for layer in inner if _holds(layer, owners)]
    kinds = collections.Counter(type(layer) for layer in inner)
    if max(kinds.values(), default=0) > 1:
        return [layer for layer in inner if kinds[type(layer)] > 1]
    return [block for layer in inner for block in _below(layer, owners)]


def _holds(layer, owners):
    """Returns whether a sublayer, at any depth, owns a prunable weight."""
    inner = [weights.unwrapped(x) for _, x in weights.children(layer)]
    return any(x in owners or _holds(x, owners) for x in inner)


@dataclasses.dataclass(eq=False)
class _Call:
    """A call of a block, or of a layer outside all blocks."""

    layer: object
    given: tuple
    outputs: object = None


@dataclasses.dataclass(eq=False)
class _Part:
    """One call of a block, or successive calls outside blocks (`call` is
    `None`), up to call number `end`, and the weights first read there."""

    call: _Call | None
    names: list
    end: int


class Survey:
    """Records the order of the calls of blocks, and where weights are read.

    Args:
        blocks: List of layers.
        owners: Dict from weight name to the layer that owns the weight.
    """

    def __init__(self, blocks, owners):
        self._blocks = identity.ByIdentity((x, True) for x in blocks)
        self._reads = identity.ByIdentity((x, []) for x in owners.values())
        self._owners = owners
        self._calls, self._inside = [], False

    def __call__(self, layer, call, args, kwargs):
        own = layer in self._reads and reads(layer, kwargs)
        block = layer in self._blocks
        outermost = (own or block) and not self._inside
        if outermost:
            self._calls.append(_Call(layer, (args, kwargs)))
        if own:
            self._reads[layer].append(len(self._calls) - 1)
        if not (outermost and block):
            return call(*args, **kwargs)
        self._inside, made = True, self._calls[-1]
        try:
            made.outputs = call(*args, **kwargs)
        finally:
            self._inside = False
        return made.outputs

    def stages(self):
        """Returns the list of `Stage` of the network, in order of calls."""
        parts = self._parts()
        found, before = [], None
        for part in parts:
            stage = Stage(part.names)
            if self._can_call_again(part):
                link, before = _link(before, part.call), part.call
                given = keras.tree.map_structure(_nothing, before.given)
                stage = Stage(part.names, before.layer, given, link)
            found.append(stage)
        until = None
        for place in reversed(range(len(parts))):
            if self._closed(parts[place]):
                found[place] = dataclasses.replace(found[place], until=until)
            until = found[place].block or until
        return found

    def _parts(self):
        order = {}
        for name, owner in self._owners.items():
            first = min(self._reads[owner], default=None)
            order.setdefault(first, []).append(name)
        parts = []
        for place, call in enumerate(self._calls):
            names = order.get(place, [])
            if call.layer in self._blocks:
                parts.append(_Part(call, names, place))
            elif parts and parts[-1].call is None:
                parts[-1].names += names
                parts[-1].end = place
            else:
                parts.append(_Part(None, names, place))
        # Weights whose layer is never called come last; measuring their
        # moments raises the error that says so.
        return [*parts, _Part(None, order.get(None, []), len(self._calls))]

    def _closed(self, part):
        """Returns whether no later part reads the weights of a part."""
        reads = [self._reads[self._owners[name]] for name in part.names]
        return all(max(places, default=0) <= part.end for places in reads)

    def _can_call_again(self, part):
        """Returns whether a part is a block that can be called on its own."""
        if part.call is None or not self._closed(part):
            return False
        calls = [c for c in self._calls if c.layer is part.call.layer]
        given = keras.tree.flatten((part.call.given, part.call.outputs))
        return len(calls) == 1 and all(map(_is_plain, given))


def is_tensor(leaf):
    """Returns whether an argument of a layer's call is a dense tensor."""
    return isinstance(leaf, tf.Tensor)


def _is_plain(leaf):
    symbolic = is_tensor(leaf) and not hasattr(leaf, "numpy")
    constant = leaf is None or isinstance(leaf, (bool, int, float, str))
    return constant or (is_tensor(leaf) and not symbolic)


def _nothing(leaf):
    del leaf
    return 0


def _link(before, call):
    """Returns the `Stage.link` from one call of a block to the next."""
    if before is None:
        return None
    sources = identity.ByIdentity()
    for kind, leaves in (("input", before.given), ("output", before.outputs)):
        for place, leaf in enumerate(keras.tree.flatten(leaves)):
            if is_tensor(leaf):
                sources[leaf] = kind, place
    link = []
    for leaf in keras.tree.flatten(call.given):
        if is_tensor(leaf) and leaf not in sources:
            return None
        link.append(sources[leaf] if is_tensor(leaf) else ("constant", leaf))
    return link
