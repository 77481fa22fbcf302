"""The channels inside a layer: attention heads, recurrent units."""

import dataclasses

import keras

layers = keras.layers


@dataclasses.dataclass(frozen=True)
class Kind:
    """How a class of recurrent cells holds its units.

    Attributes:
        size: The config's entry for their number.
        gates: How many gates lie side by side in a kernel's last axis.
        candidate: Which of them what is written is made of: where it is zero,
            and the state was, the unit gives zero whatever the others are.
        states: How many states there are, of one entry per unit each.
    """

    size: str
    gates: int
    candidate: int
    states: int


# By name: Keras does not export the cell of ConvLSTM1D, 2D and 3D.
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


def kind_of(cell):
    """Returns the `Kind` of a cell, or `None` of one of the user's own."""
    cls = type(cell)
    own = not cls.__module__.startswith("keras.")
    return None if own else _KINDS.get(cls.__name__)


def directions(layer):
    """Returns the recurrent layers that a layer is: two, one or none."""
    found = (layer,)
    if type(layer) is layers.Bidirectional:
        found = layer.forward_layer, layer.backward_layer
    return found if all(type(one) in LAYERS for one in found) else ()


def cells_of(rnn):
    """Returns the cells that a recurrent layer calls one after the other."""
    stacked = type(rnn.cell) is layers.StackedRNNCells
    return tuple(rnn.cell.cells) if stacked else (rnn.cell,)


def sizes(operation):
    """Returns how many channels there are in each place within a layer."""
    if type(operation) is layers.MultiHeadAttention:
        return (operation.num_heads,)
    if type(operation) is layers.TimeDistributed:
        return sizes(operation.layer)
    cells = [c for rnn in directions(operation) for c in cells_of(rnn)]
    kinds = [kind_of(cell) for cell in cells]
    if None in kinds:
        return ()
    return tuple(
        getattr(cell, kind.size)
        for cell, kind in zip(cells, kinds, strict=True)
    )
