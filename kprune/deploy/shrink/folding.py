"""Folds removed constant channels into sums of a kernel.

See `kprune.graph.flows.linear` for what is exact where.
"""

import dataclasses

import numpy as np
from keras.activations import linear
from keras.layers import BatchNormalization

from kprune.graph.flows.flow import Slices

# A constant may carry others that are at most so many times as large:
# rounding grows with the ratio.
_LARGER = 10
# A layer reads a part of its input where that is at most so much of it.
_WORTHWHILE = 7 / 8


@dataclasses.dataclass(frozen=True, eq=False)
class Fold:
    """What a layer takes over from input channels that it loses.

    `bias` is what to add to its sums, those that go included, and `merged`
    (input that takes over, inputs it takes over, how many times each).
    """

    bias: np.ndarray | None = None
    merged: tuple | None = None


def fold(reader, lost, stays):
    """Returns the `Fold` of the inputs that a layer loses.

    Args:
        reader: A `kprune.deploy.shrink.analysis.Reader`.
        lost: Booleans over its inputs.
        stays: Booleans over all channels.
    """
    lost = to_fold(reader, lost, stays)
    if not lost.any():
        return Fold()
    others = np.flatnonzero(lost)
    values = reader.values[others]
    if not reader.kernel.pads(reader.layer):
        response = reader.kernel.response(reader.layer, others)
        return Fold(bias=values @ response)
    channel = carrier(reader, lost, stays)
    return Fold(merged=(channel, others, values / reader.values[channel]))


def to_fold(reader, lost, stays):
    """Returns which of the inputs that a layer loses leave something."""
    return lost & _seen(reader, stays) & (np.nan_to_num(reader.values) != 0)


def carrier(reader, lost, stays):
    """Returns the input that stays and can take others over, or `None`.

    Args:
        reader: A `Reader` that pads.
        lost: Booleans over its inputs: what to take over.
        stays: Booleans over all channels.
    """
    sizes = np.abs(np.nan_to_num(reader.values)) * stays[reader.inputs]
    largest = np.argmax(sizes)
    needed = np.abs(reader.values[lost]).max()
    return largest if _LARGER * sizes[largest] >= needed else None


def needed_part(reader, stays):
    """Returns the inputs that a dense layer has to read, as booleans, or
    `None` if it should read all that stay.

    Args:
        reader: A `Reader`.
        stays: Booleans over all channels.
    """
    if not reader.kernel.may_select or len(reader.calls) > 1:
        return None
    given = stays[reader.inputs]
    needed = given & _seen(reader, stays) & np.isnan(reader.values)
    if not needed.any():
        needed[np.flatnonzero(given)[0]] = True
    worthwhile = needed.sum() <= _WORTHWHILE * given.sum()
    return needed if worthwhile else None


def _seen(reader, stays):
    """Which inputs an output that stays depends on."""
    return reader.links[:, stays[reader.outputs]].any(1)


def has_bias(layer):
    """Whether a layer adds a bias of its own to what it computes."""
    return getattr(layer, "bias", None) is not None


def taker_of_bias(analysis, reader):
    """Returns the layer that takes what is to be added to the sums of a kernel.

    It is the layer that holds it, unless that has no bias and all that it gives
    goes into one batch normalization: the mean of that may take it. So the
    layer needs no bias, and trains as before.
    """
    graph, layer = analysis.graph, reader.layer
    if layer is not reader.operation or has_bias(layer):
        return layer  # The outputs of one within another are not these sums.
    if len(reader.calls) > 1 or layer.activation is not linear:
        return layer
    users = graph.users_of[reader.made]
    if len(users) != 1 or reader.made in graph.outputs:
        return layer
    next_layer = users[0].operation
    normalizes = (
        type(next_layer) is BatchNormalization
        and analysis.flow[users[0]] is not None
        and len(graph.calls_of[next_layer]) == 1
    )
    return next_layer if normalizes else layer


def additions(decision):
    """Returns what is made of constants: a dict from the id of a variable to
    what to add to it, and one from a layer that has no bias to the one that
    its smaller layer has.
    """
    added, new = {}, {}
    for reader, fold in decision.folds.items():
        if fold.bias is None:
            continue
        taker, kernel = taker_of_bias(decision.analysis, reader), reader.kernel
        value = kernel.as_bias(reader.layer, fold.bias)
        if taker is not reader.layer:  # A batch normalization takes it off.
            added[id(taker.moving_mean)] = -value
        elif has_bias(taker):
            added[id(taker.bias)] = value
        else:
            slices = Slices(-1, reader.made, gates=kernel.gates)
            kept = slices.places(decision.kept(reader.made))
            new[taker] = np.take(value, kept, -1)
    return added, new
