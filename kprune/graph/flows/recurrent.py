"""Recurrent layers: a unit is removed with all its gates.

A unit is made by its column in each gate of the kernel and of the recurrent
kernel. It is read by its row of the recurrent kernel and by the layers that
follow. Because the first step reads the initial state, a unit is constant only
if it is always zero.

Keras requires both directions of a `Bidirectional` to have the same width,
whatever the merge mode. So a unit is removed in both.
"""

import keras
import numpy as np

from kprune.graph import cells
from kprune.graph.calls import Signal
from kprune.graph.flows.elementwise import works_on_each
from kprune.graph.flows.flow import Flow, Kernel, Reading, Slices, changed
from kprune.graph.flows.recurrent_calls import RecurrentCall


class InputKernel(Kernel):
    """The input kernel of a cell. Constants are folded into the bias."""

    def __init__(self, kind):
        self.gates = kind.gates

    def links(self, layer):
        return (_gated(layer.kernel, self.gates) != 0).any((0, 2))

    def pads(self, layer):
        padding = getattr(layer, "padding", "valid")
        return padding != "valid" and np.prod(layer.kernel_size) > 1

    def response(self, layer, channels):
        sums = _gated(layer.kernel, self.gates).sum(0, dtype="float64")
        return sums[channels].reshape(len(channels), -1)

    def as_bias(self, layer, sums):
        # With `reset_after`, a GRU has a second bias for the recurrent kernel,
        # which the reset gate scales.
        two = getattr(layer, "reset_after", False)
        return np.stack([sums, np.zeros_like(sums)]) if two else sums


class RecurrentKernel(Kernel):
    """The recurrent kernel of a cell, which also reads the initial state."""

    def __init__(self, kind):
        self.gates = kind.gates

    def links(self, layer):
        return (_gated(layer.recurrent_kernel, self.gates) != 0).any((0, 2))

    def pads(self, layer):
        return True


class Recurrent(Flow):
    """A recurrent layer of one or more cells, in one direction or two."""

    owns = True
    masked = True
    several = True

    def unfit(self, call):
        layer = call.operation
        found = [c for d in cells.directions(layer) for c in cells.cells_of(d)]
        if not found:
            return "no rule for the class of its layer"
        for cell in found:
            if cells.kind_of(cell) is None:
                return f"no rule for its cell ({type(cell).__name__})"
            if getattr(cell, "data_format", None) == "channels_first":
                return "its channels come first"
        view = RecurrentCall(call)
        given = view.sequence, *view.first_states
        if not all(isinstance(x, Signal) for x in given):
            return "it computes with an array of its own"
        if set(call.inputs) != set(given):
            return "called with more than a sequence and states"
        if not view.agrees:
            return "its directions or states do not have the same units"
        return super().unfit(call)

    def counted(self, call):
        return [RecurrentCall(call).sequence]

    def together(self, call):
        view = RecurrentCall(call)
        yield from _pairs(view.units[0], view.units[-1])
        ends = [units[-1].numbers for units in view.units]
        yield from zip(ends, view.parts, strict=True)
        for states in (view.first_states, view.last_states):
            if states:
                yield from _pairs(states, view.of_states)

    def whole(self, call):
        for cell, _, unit in RecurrentCall(call).steps:
            if not all(map(works_on_each, _activations(cell))):
                name = call.operation.name
                reason = f"an activation of {name!r} may mix channels"
                yield unit.numbers, reason

    def values(self, call, values):
        view = RecurrentCall(call)
        known = dict(zip(call.inputs, values, strict=True))
        begins = _begins(view, known)
        for cell, given, unit in view.steps:
            zero = _zeros(cell, known[given], begins[unit])
            known[unit] = np.where(zero, 0, np.nan)
        ends = [known[units[-1]] for units in view.units]
        states = view.of_states if view.last_states else []
        return [
            *(known[unit] for unit in call.inner),
            *_merged(view.merge_mode, ends),
            *(known[unit] for unit in states),
        ]

    def readings(self, call):
        found = []
        for cell, given, unit in RecurrentCall(call).steps:
            kind = cells.kind_of(cell)
            found.append(Reading(InputKernel(kind), cell, given, unit))
            found.append(Reading(RecurrentKernel(kind), cell, unit, unit))
        return found

    def variables(self, call):
        view, found = RecurrentCall(call), []
        for cell, given, unit in view.steps:
            made = Slices(-1, unit, gates=cells.kind_of(cell).gates)
            axes = {
                "kernel": [Slices(-2, given, reads=True), made],
                "recurrent_kernel": [Slices(-2, unit, reads=True), made],
                "bias": [made],
            }
            found += [
                (variable, axes[variable.name])
                for variable in cell.variables
                if variable.name in axes
            ]
        if view.stored_states:
            slices = [[Slices(-1, unit)] for unit in view.of_states]
            found += zip(view.stored_states, slices, strict=True)
        return found

    def config(self, call, kept, biased):
        view = RecurrentCall(call)
        changes = [
            _changes(rnn, units, kept, biased)
            for rnn, units in zip(view.directions, view.units, strict=True)
        ]
        if len(changes) == 1:
            return changes[0]
        config = call.operation.get_config()
        keys = "layer", "backward_layer"
        return {
            key: changed(config[key], change)
            for key, change in zip(keys, changes, strict=True)
        }


def _gated(variable, gates):
    """Returns a kernel as an array (positions, inputs, gates, units)."""
    kernel = np.asarray(variable)
    *_, inputs, outputs = kernel.shape
    return kernel.reshape(-1, inputs, gates, outputs // gates)


def _activations(cell):
    return [
        getattr(cell, name)
        for name in ("activation", "recurrent_activation")
        if hasattr(cell, name)
    ]


def _pairs(ones, others):
    for one, other in zip(ones, others, strict=True):
        yield one.numbers, other.numbers


def _begins(view, known):
    """Returns a dict from the signal of each cell's units to booleans: whether
    a unit's initial states are zero in every call."""
    always = not view.stored_states
    found = {u: np.full(u.channels, always) for _, _, u in view.steps}
    of_states = view.of_states[: len(view.first_states)]
    for unit, state in zip(of_states, view.first_states, strict=True):
        found[unit] &= known[state] == 0
    return found


def _zeros(cell, given, begins):
    """Returns which units of a cell are always zero, as booleans.

    Args:
        cell: A cell.
        given: Array of the value of each input channel, NaN if it varies.
        begins: Booleans, true for units with a zero initial state.
    """
    kind = cells.kind_of(cell)
    kernel, recurrent = (
        _gated(variable, kind.gates)[:, :, kind.candidate]
        for variable in (cell.kernel, cell.recurrent_kernel)
    )
    varies = np.isnan(given)
    if InputKernel(kind).pads(cell):
        varies |= given != 0
    sums = kernel.sum(0, dtype="float64")[~varies]
    zero = begins & ~(kernel[:, varies] != 0).any((0, 1))
    zero &= _gives_zero(cell, kind, given[~varies] @ sums)
    links = (recurrent != 0).any(0)
    while True:
        found = zero & ~links[~zero].any(0)
        if (found == zero).all():
            return zero
        zero = found


def _gives_zero(cell, kind, sums):
    """Returns which units have a zero candidate state for sums of constants,
    as booleans."""
    if not all(map(works_on_each, _activations(cell))):
        return np.zeros(len(sums), bool)
    first, *others = np.zeros((1, len(sums)))
    if cell.use_bias:
        bias = np.asarray(cell.bias, "float64")
        bias = bias.reshape(-1, kind.gates, len(sums))[:, kind.candidate]
        first, *others = bias
    filled = np.stack([sums + first, np.zeros(len(sums))]).astype("float32")
    filled = cell.activation(keras.ops.convert_to_tensor(filled))
    zero = (np.asarray(filled) == 0).all(0)
    return np.all([zero, *(bias == 0 for bias in others)], 0)


def _merged(mode, ends):
    """Returns the values of the outputs from those of each direction."""
    if mode == "concat":
        return [np.concatenate(ends)]
    if mode == "mul":
        return [np.where(np.any([end == 0 for end in ends], 0), 0, np.nan)]
    return ends if mode is None else [np.sum(ends, 0)]


def _changes(rnn, units, kept, biased):
    """Returns the changed entries of a one-directional layer's config."""
    found = cells.cells_of(rnn)
    changes = [
        {cells.kind_of(cell).size: len(kept(unit))}
        | ({"use_bias": True} if cell in biased else {})
        for cell, unit in zip(found, units, strict=True)
    ]
    if type(rnn) is not keras.layers.RNN:
        return changes[0]
    serialized = rnn.get_config()["cell"]
    if type(rnn.cell) is not keras.layers.StackedRNNCells:
        return {"cell": changed(serialized, changes[0])}
    within = map(changed, serialized["config"]["cells"], changes)
    return {"cell": changed(serialized, {"cells": list(within)})}


FLOWS = dict.fromkeys((*cells.LAYERS, keras.layers.Bidirectional), Recurrent())
