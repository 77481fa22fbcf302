"""Whole residual blocks of a network, such as those of a transformer."""

import dataclasses
from collections.abc import Container
from typing import Any

import numpy as np

from kprune.masking import weights
from kprune.masking.layouts import Layout
from kprune.pruning.granularity.base import REDUCE, Granularity
from kprune.runtime import identity, lookup, types, user_warnings
from kprune.runtime.methods import Method
from kprune.scoring import blocks, influence

FAMILY = "blocks"


@dataclasses.dataclass(frozen=True)
class ResidualBlock(Granularity):
    """Residual blocks: layers that add to their input, with all their weights.

    A block is a layer with sublayers that has siblings of its class. It is
    pruned as a whole: its weights are masked, their layers' biases are set to
    zero, and it becomes the identity, bit for bit. `kprune.shrink` then removes
    it. If the model is trained before that, biases change and the block stays.

    Weights outside of blocks stay, and so do blocks that do more than add: a
    block that normalizes after its residual, as in BERT, is not the identity
    without weights. A sparsity is a share of the removable blocks.

    Args:
        reduce: How to reduce the scores of a block's entries to one, as for
            `kprune.Block`. Defaults to `"mean"`.
    """

    reduce: str = "mean"

    empties_weights = True

    def __post_init__(self):
        lookup.choose(self.reduce, REDUCE, "reduction")

    def allocation(self, entry: Method | None) -> str:
        del entry  # All blocks form one family.
        return "global"

    def outputs(self, layout: Layout) -> None:
        del layout  # A block covers all outputs of its weights.

    def unprunable_reasons(
        self, model: types.Model, excluded: Container[str]
    ) -> dict[str, str]:
        found = _candidates(model)
        whole = _residual(model, found, excluded)
        inside = {w.name: block for block, ws in found.items() for w in ws}
        reasons = {}
        for name in weights.prunable(model):
            if name not in inside:
                reasons[name] = "in no block"
            elif inside[name] not in whole:
                reasons[name] = (
                    "its block is more than what it reads once it is pruned"
                )
        return reasons

    def grouping(self, model: types.Model, layouts: dict[str, Layout]) -> Any:
        names = {id(v): name for name, v in weights.named(model)}
        members, inside = [], []
        for block, ws in _candidates(model).items():
            own = [w.name for w in ws if w.name in layouts]
            if own:
                members.append(own)
                ids = map(id, block.variables)
                inside.append({names[i] for i in ids if i in names})
        return ResidualBlocks(self, layouts, members, inside)

    def settle(self, model: types.Model, masks: types.Masks) -> None:
        """Sets the biases of the layers of pruned blocks to zero."""
        for members in _candidates(model).values():
            own = [w for w in members if w.name in masks]
            if own and not any(masks[w.name].any() for w in own):
                for variable in influence.silenced(own):
                    variable.assign(np.zeros(variable.shape))


def _candidates(model):
    """Returns the blocks of a model with their weights, a `ByIdentity`.

    Raises:
        ValueError: If there are none.
    """
    found, prunable = blocks.find(model), weights.prunable(model)
    if not found:
        raise ValueError(
            f"Model {weights.find(model).model.name!r} has no blocks. Expected "
            "layers of one class, each with layers of its own, as those of a "
            "transformer."
        )
    places = blocks.places(found, {n: w.layer for n, w in prunable.items()})
    members = [[] for _ in found]
    for name, number in places.items():
        members[number].append(prunable[name])
    return identity.ByIdentity(zip(found, members, strict=True))


def _residual(model, found, excluded):
    """Returns the blocks that may be removed, a `ByIdentity`."""
    whole = [
        not any(w.name in excluded for w in ws) and same
        for ws, same in zip(
            found.values(), influence.residual(model, found), strict=True
        )
    ]
    pairs = zip(found, whole, strict=True)
    kept = identity.ByIdentity((x, True) for x, fits in pairs if fits)
    if not kept:
        raise ValueError(
            f"No block of model {weights.find(model).model.name!r} can be "
            "removed: none returns its input once its weights are zero. "
            "Expected blocks that add to their input, without a normalization "
            "after the addition, and with none of their weights excluded."
        )
    if len(kept) < len(found):
        names = [x.name for x in found if x not in kept]
        user_warnings.warn(
            "These blocks stay and do not count towards the sparsity, because "
            f"they do more than add to their input, or are excluded: {names}"
        )
    return kept


class ResidualBlocks:
    """Groups of the weights of one block each, in a single family.

    Args:
        grain: A `ResidualBlock`.
        layouts: Dict from name to `Layout` of the weights to prune.
        members: List of lists of names, by block.
        inside: List of sets of the names of all variables, by block.
    """

    least = 1

    def __init__(self, grain, layouts, members, inside):
        self._grain, self._layouts = grain, layouts
        self._members, self._inside = members, inside

    def shape(self, family):
        """Returns the shape of the first block's first weight."""
        del family
        return self._layouts[self._members[0][0]].shape

    def scored_in(self, names):
        """Returns the grouping; raises if one of its weights has no score."""
        missing = sorted(set(self._layouts) - set(names))
        if missing:
            raise ValueError(
                f"The criterion gave no scores for {missing}. Expected one "
                f"array per weight. Received: {sorted(names)}"
            )
        return self

    def pooled(self, scores, alive, rng):
        """Yields (family, array with a score for each block)."""
        del rng
        flat = [
            np.concatenate([scores[n][alive[n]].ravel() for n in names] or [[]])
            for names in self._members
        ]
        reduce = REDUCE[self._grain.reduce]
        yield (
            FAMILY,
            np.array([reduce(x, axis=(0,)) if x.size else 0.0 for x in flat]),
        )

    def live(self, alive):
        """Returns which blocks have a weight that may be kept."""
        live = [any(alive[n].any() for n in names) for names in self._members]
        return {FAMILY: np.array(live)}

    def masks(self, kept, alive):
        """Returns the masks that keep the blocks `kept`, booleans by family."""
        (stays,) = kept.values()
        if not stays.any():
            raise ValueError(
                f"All {len(stays)} removable blocks would be removed. Expected "
                "a sparsity that leaves at least one."
            )
        pairs = zip(self._members, stays, strict=True)
        return {n: alive[n] & stay for names, stay in pairs for n in names}

    def removed_size(self, masks, others):
        """Returns how many entries of biases, normalizations and other
        variables go with the pruned blocks.

        Args:
            masks: Dict of masks by weight name.
            others: Dict from the names of other variables to their sizes.
        """
        stays, gone = set(), set()
        pairs = zip(self._inside, self.live(masks)[FAMILY], strict=True)
        for inside, live in pairs:
            (stays if live else gone).update(inside)
        # A variable that blocks share goes with the last of them.
        return sum(others.get(name, 0) for name in gone - stays)

    def check(self, masks):
        """Does nothing: any mask of whole blocks is valid."""
