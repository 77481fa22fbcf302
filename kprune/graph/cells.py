"""The channels inside a layer: attention heads, recurrent units."""

import dataclasses
from typing import Any

import keras

layers = keras.layers


@dataclasses.dataclass(frozen=True)
class Kind:
    """The layout of a class of recurrent cells.

    Attributes:
        size: Name of the config entry for the number of units.
        gates: Number of gates, which lie side by side in a kernel's last axis.
        candidate: Index of the gate for the candidate state. If the candidate
            and the previous state of a unit are zero, its output is zero
            whatever the other gates are.
        states: Number of states, with one entry per unit each.
    """

    size: str
    gates: int
    candidate: int
    states: int


# By class name: Keras does not export the cell of ConvLSTM1D, 2D and 3D.
_KINDS = {
    "SimpleRNNCell": Kind("units", 1, 0, 1),
    "GRUCell": Kind("units", 3, 2, 1),
    "LSTMCell": Kind("units", 4, 2, 2),
    "ConvLSTMCell": Kind("filters", 4, 2, 2),
}
LAYERS = (
    *(layers.LSTM, layers.GRU, layers.SimpleRNN, layers.RNN),
    *(layers.ConvLSTM1D, layers.ConvLSTM2D, layers.ConvLSTM3D),
)


def kind_of(cell: keras.layers.Layer) -> Kind | None:
    """Returns the `Kind` of a cell, or `None` if its class is not known."""
    cls = type(cell)
    own = not cls.__module__.startswith("keras.")
    return None if own else _KINDS.get(cls.__name__)


def directions(layer: keras.Operation) -> tuple[Any, ...]:
    """Returns the recurrent layers of a layer: both directions of a
    `Bidirectional`, the layer itself, or none if it is not recurrent."""
    found: tuple[Any, ...] = (layer,)
    if type(layer) is layers.Bidirectional:
        found = layer.forward_layer, layer.backward_layer
    return found if all(type(one) in LAYERS for one in found) else ()


def cells_of(rnn: keras.layers.RNN) -> tuple[Any, ...]:
    """Returns the cells of a recurrent layer, in the order of their calls."""
    stacked = type(rnn.cell) is layers.StackedRNNCells
    return tuple(rnn.cell.cells) if stacked else (rnn.cell,)


def sizes(operation: keras.Operation) -> tuple[int, ...]:
    """Returns the numbers of inner channels of a layer: the heads of attention,
    the units of each recurrent cell. Empty if it has none."""
    if type(operation) is layers.MultiHeadAttention:
        return (operation.num_heads,)
    if type(operation) is layers.TimeDistributed:
        return sizes(operation.layer)
    cells = [c for rnn in directions(operation) for c in cells_of(rnn)]
    kinds: list[Any] = [kind_of(cell) for cell in cells]
    if None in kinds:
        return ()
    return tuple(
        getattr(cell, kind.size)
        for cell, kind in zip(cells, kinds, strict=True)
    )
