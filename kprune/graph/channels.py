"""Maps the entries of a model's variables to channels."""

import dataclasses
import weakref
from typing import Any

import numpy as np

from kprune.graph import calls as graph_calls
from kprune.graph import flows, groups
from kprune.masking import weights
from kprune.runtime import keras_internals, types

# From model to (its layers, its `ChannelMap`).
_known: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


@dataclasses.dataclass(frozen=True, eq=False)
class Axis:
    """An axis of a variable that holds channels.

    Attributes:
        number: Index of the axis.
        groups: Array of the group of the channel at each index along it.
        reads: Whether the channels end there (input channels). Otherwise, the
            variable makes them or passes them on.
    """

    number: int
    groups: np.ndarray
    reads: bool


@dataclasses.dataclass(frozen=True, eq=False)
class ChannelMap:
    """The channels of a graph of layers, in groups that are removed together.

    Attributes:
        size: Number of groups.
        axes: Dict from the name of a variable (`kprune.masking.weights.named`)
            to a tuple of `Axis`, for all layers that are followed.
        why: Dict from group to why it must stay, except for `outputs`.
        outputs: Array of the groups of the model's outputs.
        unfit: Dict from the name of a variable of a layer left whole to the
            reason.
    """

    size: int
    axes: dict
    why: dict
    outputs: np.ndarray
    unfit: dict


def followable(model: types.Model) -> bool:
    """Returns whether channels can be followed through a model: whether it is a
    graph of layers."""
    return graph_calls.followable(model)


def build_channel_map(model: types.Model) -> ChannelMap:
    """Returns the `ChannelMap` of a model.

    It depends only on the model's layers, not on values, and is cached.

    Args:
        model: A built model, wrapped or not, that is `followable`. It is not
            modified.
    """
    # A Sequential model's layers may change. The cache keeps the layers alive,
    # so that their ids are not reused.
    layers = [x for x in keras_internals.all_layers(model) if x is not model]
    before, found = _known.get(model, (None, None))
    if before is None or list(map(id, before)) != list(map(id, layers)):
        found = _made(model)
        _known[model] = layers, found
    return found


def _made(model):
    recorded = flows.record(model)
    flow, unfit = flows.of_all(recorded)
    group = groups.of(recorded, flow)
    why = {}
    for numbers, reason in groups.pinned(recorded, flow, unfit):
        for number in np.unique(group[numbers]).tolist():
            why.setdefault(number, reason)
    outputs = [signal.numbers for signal in recorded.outputs]
    names = {id(v): name for name, v in weights.named(model)}
    return ChannelMap(
        int(group.max(initial=-1)) + 1,
        _axes(names, flow, group),
        why,
        np.unique(group[np.concatenate(outputs)]),
        _left_whole(names, flow, unfit),
    )


def _axes(names, flow, group):
    """Returns the axes of the variables of followed layers, by name."""
    found = {}
    for call, its_flow in flow.items():
        if its_flow is None or not its_flow.owns or call.crossing:
            continue
        for variable, slices in its_flow.variables(call):
            if id(variable) in names:
                found[names[id(variable)]] = tuple(
                    Axis(
                        one.axis % len(variable.shape),
                        one.spread(group[one.signal.numbers]),
                        one.reads,
                    )
                    for one in slices
                )
    return found


def _left_whole(names, flow, unfit):
    return {
        names[id(variable)]: unfit[call]
        for call, its_flow in flow.items()
        if its_flow is None
        for variable in getattr(call.operation, "variables", ())
        if id(variable) in names
    }
