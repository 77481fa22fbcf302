"""Channels coupled through a graph of layers."""

import copy
import math

import numpy as np

from kprune.graph import channels, costs
from kprune.masking import weights


class CoupledChannels:
    """Groups of coupled channels in a graph of layers.

    A family is the channels that the same weights produce: those of a layer,
    or of all layers of a residual stage. Its name is that of its first weight.
    """

    def __init__(self, grain, model, layouts):
        self._grain = grain
        self._layouts = layouts
        self._map = channels.build_channel_map(model)
        free = may_go(self._map, model, layouts, grain.output_layer)
        self._families = _families(self._map, layouts, free)
        self._cost = None
        if grain.per is not None:
            self._cost = _cost_of_groups(self._map, model, layouts, grain.per)

    @property
    def least(self):
        """The default minimum of groups that each family keeps."""
        return self._grain.min_kept

    def shape(self, family):
        """Returns the shape of a family's first weight."""
        return self._layouts[family].shape

    def scored_in(self, names):
        """Returns the grouping without the groups that have no scores."""
        scored = np.zeros(self._map.size, bool)
        for name in names:
            for axis in self._counted(name):
                scored[axis.groups] = True
        found = copy.copy(self)
        found._families = {
            family: groups[scored[groups]]
            for family, groups in self._families.items()
            if scored[groups].any()
        }
        return found

    def pooled(self, scores, alive, rng):
        """Yields (family, array with a score for each group)."""
        pool = _Pool(self._map.size)
        for name, array in scores.items():
            for axis in self._counted(name):
                pool.add(np.where(alive[name], array, 0), axis)
        found = pool.reduced(self._grain.reduce)
        if self._cost is not None:
            found = found / self._cost
        for family, groups in self._families.items():
            yield family, found[groups]

    def live(self, alive):
        """Returns, by family, which groups have an entry that may be kept.

        A channel without inputs counts as live while a layer reads it.
        """
        found = np.zeros(self._map.size, bool)
        for name in self._layouts:
            for axis in self._axes(name):
                found[axis.groups[_rows(alive[name], axis).any(1)]] = True
        return {
            family: found[groups] for family, groups in self._families.items()
        }

    def masks(self, kept, alive):
        """Returns the masks that keep the groups `kept`, booleans by family."""
        stays, found = self._stays(kept), {}
        for name, layout in self._layouts.items():
            found[name] = alive[name].copy()
            for axis in self._axes(name):
                along = [1] * len(layout.shape)
                along[axis.number] = -1
                found[name] &= stays[axis.groups].reshape(along)
        return found

    def removed_size(self, masks, others):
        """Returns how many entries of other variables, such as biases, go.

        Args:
            masks: Dict of masks by weight name.
            others: Dict from the names of other variables to their sizes.
        """
        stays = self._stays(self.live(masks))
        return sum(
            size
            * int(np.count_nonzero(~stays[axis.groups]))
            // len(axis.groups)
            for name, size in others.items()
            for axis in self._axes(name)
        )

    def check(self, masks):
        """Does nothing: any mask of whole channels is valid."""

    def _stays(self, kept):
        """Returns which of all groups stay, from booleans by family."""
        stays = np.ones(self._map.size, bool)
        for family, chosen in kept.items():
            stays[self._families[family]] = chosen
        return stays

    def _axes(self, name):
        return self._map.axes.get(name, ())

    def _counted(self, name):
        """Returns the axes of a weight whose entries are scored."""
        reads = self._grain.side == "outgoing"
        return [axis for axis in self._axes(name) if axis.reads == reads]


def unprunable_reasons(model, excluded, output_layer):
    """Returns why weights have no channel that can be removed, by name."""
    found = channels.build_channel_map(model)
    names = [n for n in weights.prunable(model) if n not in excluded]
    free = may_go(found, model, names, output_layer)
    reasons = {}
    for name in names:
        axes = found.axes.get(name, ())
        if not any(free[axis.groups].any() for axis in axes):
            reasons[name] = _reason(name, axes, found)
    return reasons


def _reason(name, axes, found):
    for axis in axes:
        for group in axis.groups.tolist():
            if not axis.reads and group in found.why:
                return f"its channels have to stay: {found.why[group]}"
            if not axis.reads and group in found.outputs:
                return "output layer"
    if axes:
        return "its channels are also made by weights that are left dense"
    reason = found.unfit.get(name, "no channels that can be followed")
    return f"its layer is left whole: {reason}"


def may_go(found, model, names, output_layer):
    """Returns which groups pruning may remove, a boolean array.

    Args:
        found: The `ChannelMap` of the model.
        model: A model that is a graph of layers, wrapped or not.
        names: Names of the weights to prune.
        output_layer: Whether the output channels of the model may be removed.
    """
    made, stays = np.zeros(found.size, bool), np.zeros(found.size, bool)
    stays[list(found.why)] = True
    stays[found.outputs] = not output_layer
    for weight in weights.find(model):
        for groups in _made(found, weight.name):
            (made if weight.name in names else stays)[groups] = True
    return made & ~stays


def _made(found, name):
    """Returns the groups along each axis of channels a weight produces."""
    axes = found.axes.get(name, ())
    return [axis.groups for axis in axes if not axis.reads]


def _families(found, names, free):
    """Returns the families of groups that may be removed, by weight name.

    Weights that produce the same group belong to one family, which is named
    after the first of them.
    """
    names, layer_groups = list(names), {}
    family_of = np.full(found.size, -1)
    place = {name: i for i, name in enumerate(names)}
    for name in names:
        groups = np.concatenate([np.arange(0), *_made(found, name)])
        groups = np.unique(groups[free[groups]])
        joined = [names[i] for i in np.unique(family_of[groups]) if i >= 0]
        parts = [groups, *(layer_groups.pop(family) for family in joined[1:])]
        if groups.size:
            first = joined[0] if joined else name
            parts.append(layer_groups.get(first, np.arange(0)))
            layer_groups[first] = np.unique(np.concatenate(parts))
            family_of[layer_groups[first]] = place[first]
    return layer_groups


def _cost_of_groups(found, model, names, kind):
    """Returns the cost of each group: multiply-adds or entries."""
    variables = weights.prunable(model)
    uses = costs.count_uses(model) if kind == "flops" else {}
    total = np.zeros(found.size)
    for name in names:
        variable = variables[name].variable
        times = uses.get(id(variable)) if kind == "flops" else 1
        if times is None:
            raise ValueError(
                f"How often {name!r} is multiplied with cannot be counted, "
                'which per="flops" needs. Build the model with a fixed input '
                'shape, or pass per="parameters".'
            )
        axes = found.axes.get(name, ())
        total += times * _entries_of_groups(axes, variable.shape, found.size)
    return np.maximum(total, 1)


def _entries_of_groups(axes, shape, size):
    """Returns how many entries of a variable belong to each group.

    Entries of a group along two axes, as where a unit of a recurrent layer
    reads itself, are counted once.
    """
    places = [np.bincount(axis.groups, minlength=size) for axis in axes]
    lengths = [len(axis.groups) for axis in axes]
    total, entries = np.zeros(size), math.prod(shape)
    for count, length in zip(places, lengths, strict=True):
        total += count * (entries // length)
    if len(axes) == 2:
        total -= places[0] * places[1] * (entries // math.prod(lengths))
    return total


def _rows(array, axis):
    """Returns a weight as a matrix with a row for each index of an axis."""
    return np.moveaxis(array, axis.number, 0).reshape(len(axis.groups), -1)


class _Pool:
    """Accumulates scores over the groups that their entries belong to."""

    def __init__(self, size):
        self.counts = np.zeros(size)
        self._sums, self._squares = np.zeros(size), np.zeros(size)
        self._largest = np.full(size, -np.inf)
        self._first = np.zeros(size)

    def add(self, scores, axis):
        """Adds the scores of a weight along one of its axes."""
        rows = _rows(scores, axis)
        groups, places = np.unique(axis.groups, return_index=True)
        new = self.counts[groups] == 0
        self._first[groups[new]] = rows[places[new], 0]
        np.add.at(self.counts, axis.groups, rows.shape[1])
        np.add.at(self._sums, axis.groups, rows.sum(1, dtype=np.float64))
        squares = np.square(rows, dtype=np.float64).sum(1)
        np.add.at(self._squares, axis.groups, squares)
        np.maximum.at(self._largest, axis.groups, rows.max(1))

    def reduced(self, reduce):
        """Returns one score per group, 0 where nothing was added."""
        found = {
            "sum": self._sums,
            "mean": self._sums / np.maximum(self.counts, 1),
            "max": np.where(self.counts > 0, self._largest, 0),
            "l2": np.sqrt(self._squares),
            "first": self._first,
            "abs_sum": np.abs(self._sums),
        }
        return found[reduce]
