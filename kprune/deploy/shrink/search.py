"""Finds the channels that can be removed, and the reasons others stay.

The search begins with all channels removed, and restores those that are needed
until nothing changes: a layer needs a channel that varies if one of the outputs
it keeps depends on it. The result is the largest set of channels that can be
removed together, because restoring one never makes another removable.
"""

import collections
import dataclasses

import numpy as np

from kprune.deploy.shrink import folding
from kprune.deploy.shrink.analysis import Analysis
from kprune.graph import groups


@dataclasses.dataclass(frozen=True, eq=False)
class Decision:
    """The channels of a model to keep and to remove.

    Attributes:
        analysis: The `Analysis` of the model.
        stays: Booleans over all channels, true for those kept.
        why: Function from a channel's number to why it stays, or `None` for a
            removed one.
        folds: Dict from `Reader` to `Fold`.
        parts: Dict from layer to the indices that it reads, among the channels
            that its input keeps.
        bypassed: Tuple of layers that are removed as a whole.
    """

    analysis: Analysis
    stays: np.ndarray
    why: collections.abc.Callable
    folds: dict
    parts: dict
    bypassed: tuple = ()

    def kept(self, signal):
        """Returns the indices of the kept channels of a signal."""
        return np.flatnonzero(self.stays[signal.numbers])

    def kept_by(self, call):
        """Returns `kept` for a call, which may read a part of its input."""
        part = self.parts.get(call.operation)

        def kept(signal):
            found = self.kept(signal)
            if part is not None and signal.start == call.inputs[0].start:
                found = found[part]
            return found

        return kept


def decide(analysis, partly=False):
    """Returns the `Decision` for a model.

    Args:
        analysis: An `Analysis`.
        partly: Whether dense layers may read a part of an input that must
            stay. Defaults to `False`.
    """
    search = _Search(analysis)
    search.keep_what_must_stay()
    while search.keep_what_is_read() or search.keep_carriers_and_last():
        pass
    stays = ~search.goes[search.group]
    parts, folds = {}, {}
    for reader in analysis.readers:
        lost = ~stays[reader.inputs]
        selects = partly and analysis.graph.within.isdisjoint(reader.calls)
        needed = folding.needed_part(reader, stays) if selects else None
        if needed is not None:
            parts[reader.operation] = np.flatnonzero(needed[~lost])
            lost |= ~needed
        folds[reader] = folding.fold(reader, lost, stays)
    return Decision(analysis, stays, search.why, folds, parts)


class _Search:
    """The groups of channels still removed, and why the others stay."""

    def __init__(self, analysis):
        self.analysis = analysis
        self.group = groups.of(analysis.graph, analysis.flow)
        self.goes = np.ones(self.group.max(initial=-1) + 1, bool)
        self._reasons = {}

    def why(self, number):
        return self._reasons.get(self.group[number])

    def keep(self, numbers, reason):
        """Keeps the groups of some channels; returns whether that is new for
        any of them."""
        found = np.unique(self.group[numbers])
        found = found[self.goes[found]]
        self.goes[found] = False
        self._reasons.update(dict.fromkeys(found.tolist(), reason))
        return found.size > 0

    def keep_what_must_stay(self):
        found = self.analysis
        for signal in found.graph.outputs:
            self.keep(signal.numbers, "the model's output keeps its shape")
        for numbers, reason in groups.pinned(
            found.graph, found.flow, found.unfit
        ):
            self.keep(numbers, reason)

    def keep_what_is_read(self):
        """Keeps channels that a layer needs; returns whether any is new."""
        changed = False
        for reader in reversed(self.analysis.readers):
            lost = self._lost(reader)
            name, varies = reader.operation.name, np.isnan(reader.values)
            changed |= self.keep(
                reader.inputs[lost & varies],
                f"{name!r} reads it, where it is not constant",
            )
            if reader.kernel.pads(reader.layer) and not reader.kernel.merges:
                changed |= self.keep(
                    reader.inputs[lost & (reader.values != 0)],
                    f"{name!r} pads it with zeros, which it is not",
                )
        return changed

    def keep_carriers_and_last(self):
        """Keeps one channel where none could take over the removed constants,
        or where none would be left; returns whether any is new."""
        changed = False
        for reader in self.analysis.readers:
            if reader.kernel.merges and reader.kernel.pads(reader.layer):
                changed |= self._keep_carrier(reader)
        for signal in self.analysis.graph.signals:
            numbers = signal.numbers
            if numbers.size and self.goes[self.group[numbers]].all():
                sizes = np.bincount(self.group)[self.group[numbers]]
                least = numbers[[np.argmin(sizes)]]
                changed |= self.keep(least, "one channel has to be left")
        return changed

    def _keep_carrier(self, reader):
        stays = ~self.goes[self.group]
        lost = folding.to_fold(reader, ~stays[reader.inputs], stays)
        if not lost.any() or folding.carrier(reader, lost, stays) is not None:
            return False
        largest = np.argmax(np.where(lost, np.abs(reader.values), -1))
        name = reader.operation.name
        reason = f"for all constants into {name!r}, which pads with zeros"
        return self.keep(reader.inputs[[largest]], reason)

    def _lost(self, reader):
        """Returns which removed inputs a kept output depends on."""
        stays = ~self.goes[self.group[reader.outputs]]
        seen = reader.links[:, stays].any(1)
        return self.goes[self.group[reader.inputs]] & seen
