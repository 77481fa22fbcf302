"""Folds removed constant channels into the layers that read them.

`kprune.graph.flows.linear` explains where this is exact.
"""

import dataclasses
from typing import Any

import numpy as np
from keras.activations import linear
from keras.layers import BatchNormalization

from kprune.graph.flows.flow import Slices

# A constant takes over others at most this many times as large: rounding
# errors grow with the ratio.
_LARGER = 10
# The largest share of its input for which a layer gathers a part of it.
_WORTHWHILE = 7 / 8


@dataclasses.dataclass(frozen=True, eq=False)
class Fold:
    """The contribution of the constant input channels that a layer loses.

    Attributes:
        bias: Array to add to its sums, removed outputs included, or `None`.
        merged: Tuple (input that takes over, inputs it takes over, ratio of
            each to it), or `None`.
    """

    bias: np.ndarray | None = None
    merged: tuple[Any, np.ndarray, np.ndarray] | None = None


def fold(reader, lost, stays):
    """Returns the `Fold` of the inputs that a layer loses.

    Args:
        reader: A `kprune.deploy.shrink.analysis.Reader`.
        lost: Booleans over its inputs, true for those it loses.
        stays: Booleans over all channels, true for those kept.
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
    """Returns which lost inputs contribute a nonzero constant, as booleans."""
    return lost & _seen(reader, stays) & (np.nan_to_num(reader.values) != 0)


def carrier(reader, lost, stays):
    """Returns the kept input that can take over the lost ones, or `None`.

    Args:
        reader: A `Reader` that pads.
        lost: Booleans over its inputs, true for those to take over.
        stays: Booleans over all channels, true for those kept.
    """
    sizes = np.abs(np.nan_to_num(reader.values)) * stays[reader.inputs]
    largest = np.argmax(sizes)
    needed = np.abs(reader.values[lost]).max()
    return largest if _LARGER * sizes[largest] >= needed else None


def needed_part(reader, stays):
    """Returns the inputs that a dense layer must read, as booleans, or `None`
    if it should read all that stay.

    Args:
        reader: A `Reader`.
        stays: Booleans over all channels, true for those kept.
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
    """Returns which inputs any kept output depends on, as booleans."""
    return reader.links[:, stays[reader.outputs]].any(1)


def has_bias(layer):
    """Returns whether a layer has a bias."""
    return getattr(layer, "bias", None) is not None


def taker_of_bias(analysis, reader):
    """Returns the layer that absorbs a constant added to a kernel's sums.

    It is the layer that holds the kernel, unless it has no bias and its outputs
    go into one batch normalization only, whose moving mean then absorbs the
    constant. So the layer needs no new bias, and trains as before.
    """
    graph, layer = analysis.graph, reader.layer
    if layer is not reader.operation or has_bias(layer):
        return layer  # The sums of a layer within another are not its outputs.
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
    """Returns where the constants go.

    Returns:
        A dict from the id of a variable to the array to add to it, and a dict
        from a layer without a bias to the bias of its smaller copy.
    """
    added, new = {}, {}
    for reader, fold in decision.folds.items():
        if fold.bias is None:
            continue
        taker, kernel = taker_of_bias(decision.analysis, reader), reader.kernel
        value = kernel.as_bias(reader.layer, fold.bias)
        if taker is not reader.layer:  # Batch normalization subtracts it.
            added[id(taker.moving_mean)] = -value
        elif has_bias(taker):
            added[id(taker.bias)] = value
        else:
            slices = Slices(-1, reader.made, gates=kernel.gates)
            kept = slices.places(decision.kept(reader.made))
            new[taker] = np.take(value, kept, -1)
    return added, new
