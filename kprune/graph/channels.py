"""Maps the entries of a model's variables to channels."""

import dataclasses
import weakref

import numpy as np

from kprune.graph import calls as graph_calls
from kprune.graph import flows, groups
from kprune.masking import weights
from kprune.runtime import keras_internals

_known = weakref.WeakKeyDictionary()


@dataclasses.dataclass(frozen=True, eq=False)
class Axis:
    """An axis of a variable, its `number`, that counts channels.

    `groups` is an array of the group of the channel at each place along it. If
    it `reads`, the channel ends there, else it is made or passed on.
    """

    number: int
    groups: np.ndarray
    reads: bool


@dataclasses.dataclass(frozen=True, eq=False)
class ChannelMap:
    """The channels of a graph of layers, in groups that stay or go together.

    Attributes:
        size: How many groups there are.
        axes: Dict from the name of a variable (`kprune.masking.weights.named`)
            to its axes, of all layers that channels can be followed through.
        why: Dict from group to why it has to stay, beside `outputs`.
        outputs: The groups of the model's outputs.
        unfit: Dict from the name of a variable, of a layer that is left
            whole, to the reason.
    """

    size: int
    axes: dict
    why: dict
    outputs: np.ndarray
    unfit: dict


def followable(model):
    """Whether channels can be followed through a model: a graph of layers."""
    return graph_calls.followable(model)


def build_channel_map(model):
    """Returns the `ChannelMap` of a model. It depends on the layers alone,
    and is made once for them.

    Args:
        model: A built model, wrapped or not, that is `followable`. It is left
            as it was.
    """
    # A Sequential model may be given other layers. They are kept alive, so
    # that they are told apart for sure.
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
    """Returns the axes of all variables of layers that are followed."""
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
