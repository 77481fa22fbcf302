"""The inputs and outputs of a recurrent call, by units."""

import functools
import inspect

import keras
import numpy as np

from kprune.graph import cells


class RecurrentCall:
    """A view of the `Call` of a recurrent layer.

    Attributes:
        directions: The layers of one direction that it consists of.
        merge_mode: How their outputs become one, or `None`.
        sequence: What it is given, a signal.
        first_states: List of the states that it begins with, if it is given
            any: signals, or what else they are.
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
        """For each direction, the signals of its cells' units."""
        left = iter(self._call.inner)
        return [
            [next(left) for _ in cells.cells_of(rnn)] for rnn in self.directions
        ]

    @functools.cached_property
    def steps(self):
        """List of (cell, signal that it reads, signal of its units)."""
        found = []
        for rnn, units in zip(self.directions, self.units, strict=True):
            given = [self.sequence, *units[:-1]]
            found += zip(cells.cells_of(rnn), given, units, strict=True)
        return found

    @property
    def of_states(self):
        """The signals of the units that the states are of, in order."""
        return [
            unit
            for cell, _, unit in self.steps
            for _ in range(cells.kind_of(cell).states)
        ]

    @property
    def stored_states(self):
        """The states that are kept from batch to batch, variables."""
        kept = [rnn.states for rnn in self.directions if rnn.stateful]
        return keras.tree.flatten(kept)

    @property
    def last_states(self):
        """The states that it returns, signals."""
        return list(self._call.outputs[self._sequences :])

    @property
    def parts(self):
        """The numbers of the channels that each direction goes into."""
        made = [s.numbers for s in self._call.outputs[: self._sequences]]
        if self.merge_mode == "concat":
            return np.split(made[0], len(self.units))
        return made if self.merge_mode is None else made * len(self.units)

    @property
    def agrees(self):
        """Whether what Keras takes to be of one width is."""
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
