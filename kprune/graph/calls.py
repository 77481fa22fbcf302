"""Lists the calls of a model's layers, nested models included.

Keras' graphs hold layers, but channels flow through their *calls*; a shared
layer has several. A nested model appears as the calls that enter it, the calls
within and the calls that leave it. A composite layer, whose own code calls
layers that it holds, appears as one call, with the calls within listed after
it: its inputs and outputs keep their shapes.
"""

import collections
import contextlib
import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kprune.graph import cells, composites
from kprune.masking import weights
from kprune.runtime import keras_internals, types


@dataclasses.dataclass(frozen=True, eq=False)
class Signal:
    """A tensor between two calls. Its last axis holds the channels.

    Attributes:
        shape: Its shape, with `None` for open dimensions.
        start: The number of its first channel. The channels of all signals in
            a graph are numbered consecutively.
    """

    shape: tuple
    start: int

    @property
    def channels(self) -> int:
        """Number of channels, 0 if unknown."""
        return (self.shape[-1] or 0) if len(self.shape) > 1 else 0

    @property
    def numbers(self) -> np.ndarray:
        """Numbers of its channels in the graph."""
        return np.arange(self.start, self.start + self.channels)


@dataclasses.dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer, or of an operation such as `a + b`.

    Attributes:
        operation: The layer or operation.
        arguments: Its (args, kwargs), with signals in place of tensors.
        outputs: Tuple of its output signals.
        crossing: Whether it enters or leaves a nested model, an identity.
        inner: Tuple of the signals within the layer whose channels count: the
            heads of attention, the units of recurrent cells.
    """

    operation: keras.Operation
    arguments: tuple
    outputs: tuple
    crossing: bool = False
    inner: tuple[Signal, ...] = ()

    @functools.cached_property
    def inputs(self) -> tuple[Signal, ...]:
        """Tuple of the signals among the arguments, except masks."""
        args, options = self.arguments
        return _signals(args, {k: v for k, v in options.items() if k != "mask"})

    @property
    def masks(self) -> tuple[Signal, ...]:
        """Tuple of the signals passed as Keras' `mask`."""
        _, options = self.arguments
        return _signals(options.get("mask"))

    def run(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """Runs the operation on one vector per input.

        Args:
            values: List of arrays, one value per channel of each input.

        Returns:
            Array in float64, one value per channel of the first output.
        """
        given = {
            id(signal): tf.constant(value[np.newaxis], tf.float32)
            for signal, value in zip(self.inputs, values, strict=True)
        }
        args, kwargs = keras.tree.map_structure(
            lambda x: given.get(id(x), x), self.arguments
        )
        with keras.StatelessScope():
            outputs = keras.tree.flatten(self.operation(*args, **kwargs))
        return keras.ops.convert_to_numpy(outputs[0])[0].astype("float64")


@dataclasses.dataclass(frozen=True)
class Graph:
    """All calls of a model, in the order of computation, and its signals.

    Attributes:
        model: The model.
        calls: Tuple of `Call`.
        signals: Tuple of `Signal`.
        inputs, outputs: Tuples of the model's input and output signals.
        entries: Dict from the id of a nested model to a list with the tuple of
            input signals of each of its calls.
        composites: Dict from each composite layer to the arguments of its
            first call.
        borders: Tuple of the input and output signals of composite layers.
        within: The calls that the code of composite layers makes.
    """

    model: keras.Model
    calls: tuple
    signals: tuple
    inputs: tuple
    outputs: tuple
    entries: dict
    composites: dict
    borders: tuple
    within: frozenset

    @property
    def size(self) -> int:
        """Total number of channels."""
        return sum(signal.channels for signal in self.signals)

    @functools.cached_property
    def calls_of(self) -> dict[keras.Operation, list[Call]]:
        """Dict from operation to its calls, except crossings."""
        found = collections.defaultdict(list)
        for call in self.calls:
            if not call.crossing:
                found[call.operation].append(call)
        return found

    @functools.cached_property
    def users_of(self) -> dict[Signal, list[Call]]:
        """Dict from signal to the calls that read it."""
        found = collections.defaultdict(list)
        for call in self.calls:
            for signal in dict.fromkeys((*call.inputs, *call.masks)):
                found[signal].append(call)
        return found


def followable(layer: keras.Operation) -> bool:
    """Returns whether a layer is a model that computes by a graph of layers.

    The graph may also be made by the constructor of a user's class.
    """
    if not keras_internals.computes_by_graph(layer):
        return False
    with contextlib.suppress(Exception):  # A Sequential without an input.
        return bool(layer.inputs)
    return False


def record(
    model: types.Model,
    heads_of: Callable[[Any], int],
    goes_into: Callable[[Any], bool],
) -> Graph:
    """Returns the `Graph` of a model; wrappers are replaced by their layers.

    Args:
        model: A model that is `followable`, wrapped or not. It is not
            modified: the graph is read from its recorded calls.
        heads_of: Function from an operation to its number of heads that count
            as inner channels, or 0.
        goes_into: Function from a layer to whether to trace its own code.
    """
    recorder = _Recorder(heads_of, goes_into)
    inputs, outputs = recorder.run(
        keras_internals.nodes(model), model.inputs, model.outputs
    )
    return Graph(
        model,
        tuple(recorder.calls),
        tuple(recorder.signals),
        inputs,
        outputs,
        recorder.entries,
        recorder.composites,
        tuple(recorder.borders),
        frozenset(recorder.within),
    )


class _Recorder:
    def __init__(self, heads_of, goes_into):
        self.calls, self.signals, self.entries = [], [], {}
        self.composites, self.borders, self.within = {}, [], set()
        self._heads_of, self._goes_into = heads_of, goes_into
        self._next = 0

    def run(self, nodes, inputs, outputs):
        """Records a graph's calls; returns its input and output signals."""
        # From the id of a tensor to its signal, anew for each call of a model.
        known = {}

        def signal(x):
            if not isinstance(x, keras.KerasTensor):
                return x
            if id(x) not in known:
                known[id(x)] = self._signal(x.shape)
            return known[id(x)]

        for operation, arguments, made in nodes:
            operation = weights.unwrapped(operation)
            call = Call(
                operation,
                keras.tree.map_structure(signal, arguments),
                tuple(map(signal, made)),
                inner=self._inner(operation),
            )
            nested = followable(operation) and runs_as_inference(call)
            if nested and len(call.inputs) == len(operation.inputs):
                self._go_into(call)
                continue
            self.calls.append(call)
            if self._goes_into(operation) and runs_as_inference(call):
                self._look_at_code(operation, arguments)
        return tuple(map(signal, inputs)), tuple(map(signal, outputs))

    def _signal(self, shape):
        signal = Signal(tuple(shape), self._next)
        self.signals.append(signal)
        self._next += signal.channels
        return signal

    def _inner(self, operation):
        """Returns new signals for the inner channels of a call."""
        sizes = cells.sizes(operation)
        if not sizes and (heads := self._heads_of(operation)):
            sizes = (heads,)
        return tuple(self._signal((None, size)) for size in sizes)

    def _look_at_code(self, layer, arguments):
        """Records the calls that a composite layer's code makes."""
        traced = composites.trace(layer, arguments)
        if traced is None:
            return
        self.composites.setdefault(layer, traced.arguments)
        before = len(self.calls)
        inputs, outputs = self.run(traced.nodes, traced.inputs, traced.outputs)
        self.borders += [*inputs, *outputs]
        self.within.update(self.calls[before:])

    def _go_into(self, call):
        model, before = call.operation, self.calls
        self.calls = []
        inputs, outputs = self.run(
            keras_internals.nodes(model), model.inputs, model.outputs
        )
        within, self.calls = self.calls, before
        self.entries.setdefault(id(model), []).append(inputs)
        for source, target in zip(call.inputs, inputs, strict=True):
            self.calls.append(_crossing(model, source, target))
        self.calls += within
        for source, target in zip(outputs, call.outputs, strict=True):
            self.calls.append(_crossing(model, source, target))


def _crossing(model, source, target):
    return Call(model, ((source,), {}), (target,), crossing=True)


def _signals(*structure):
    flat = keras.tree.flatten(structure)
    return tuple(x for x in flat if isinstance(x, Signal))


def trains(call: Call) -> bool:
    """Returns whether a call always runs in training mode."""
    _, options = call.arguments
    return bool(options.get("training"))


def runs_as_inference(call: Call) -> bool:
    """Returns whether a call has neither `training=True` nor a mask."""
    _, options = call.arguments
    masks = keras.tree.flatten(options.get("mask"))  # One for each input.
    return not trains(call) and all(x is None for x in masks)
