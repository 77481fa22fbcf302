"""The inputs and outputs of a recurrent call, by units."""

import functools
import inspect

import keras
import numpy as np

from kprune.graph import cells


class RecurrentCall:
    """A view of the `Call` of a recurrent layer.

    Attributes:
        directions: Tuple of its one-directional layers.
        merge_mode: How their outputs are merged, or `None` if they are not.
        sequence: Signal of the input sequence.
        first_states: List of the initial states passed to the call, usually
            signals. Empty if there are none.
    """

    def __init__(self, call):
        self._call = call
        self.directions = cells.directions(call.operation)
        self.merge_mode = getattr(call.operation, "merge_mode", "concat")
        args, options = call.arguments
        bound = inspect.signature(call.operation.call).bind(*args, **options)
        states = bound.arguments.get("initial_state")
        self.sequence = bound.args[0]
        self.first_states = [] if states is None else keras.tree.flatten(states)

    @functools.cached_property
    def units(self):
        """List of the signals of its cells' units, for each direction."""
        left = iter(self._call.inner)
        return [
            [next(left) for _ in cells.cells_of(rnn)] for rnn in self.directions
        ]

    @functools.cached_property
    def steps(self):
        """List of (cell, its input signal, signal of its units)."""
        found = []
        for rnn, units in zip(self.directions, self.units, strict=True):
            given = [self.sequence, *units[:-1]]
            found += zip(cells.cells_of(rnn), given, units, strict=True)
        return found

    @property
    def of_states(self):
        """List of the signals of the units of each state, in order."""
        return [
            unit
            for cell, _, unit in self.steps
            for _ in range(cells.kind_of(cell).states)
        ]

    @property
    def stored_states(self):
        """List of the state variables of stateful layers."""
        kept = [rnn.states for rnn in self.directions if rnn.stateful]
        return keras.tree.flatten(kept)

    @property
    def last_states(self):
        """List of the signals of the states it returns."""
        return list(self._call.outputs[self._sequences :])

    @property
    def parts(self):
        """List of the output channel numbers of each direction."""
        made = [s.numbers for s in self._call.outputs[: self._sequences]]
        if self.merge_mode == "concat":
            return np.split(made[0], len(self.units))
        return made if self.merge_mode is None else made * len(self.units)

    @property
    def agrees(self):
        """Whether directions, states and outputs have matching widths."""
        widths = [[unit.channels for unit in units] for units in self.units]
        if widths[0] != widths[-1]:
            return False
        expected = [unit.channels for unit in self.of_states]
        return all(
            [state.channels for state in states] == expected
            for states in (self.first_states, self.last_states)
            if states
        ) and all(len(part) == widths[0][-1] for part in self.parts)

    @property
    def _sequences(self):
        return 1 if self.merge_mode else len(self.units)
