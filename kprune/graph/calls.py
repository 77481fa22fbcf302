"""Lists the calls of a model's layers, nested models included.

Keras' graphs hold layers; what channels go through is their *calls*, of which
a shared layer has several. A nested model appears as the call that enters it,
the calls within and the call that leaves it. A composite layer, whose own code
calls layers that it holds, appears as a call, and the calls within beside it:
what goes in and out keeps its shape.
"""

import collections
import contextlib
import dataclasses
import functools

import keras
import numpy as np
import tensorflow as tf

from kprune.graph import cells, composites
from kprune.masking import weights
from kprune.runtime import keras_internals


@dataclasses.dataclass(frozen=True, eq=False)
class Signal:
    """A tensor between two calls. Its last axis counts channels.

    Attributes:
        shape: Its shape, with `None` for open dimensions.
        start: The number of its first channel: all channels of all signals of
            a graph are numbered through.
    """

    shape: tuple
    start: int

    @property
    def channels(self):
        """How many channels there are, 0 if that is not known."""
        return (self.shape[-1] or 0) if len(self.shape) > 1 else 0

    @property
    def numbers(self):
        """The numbers of its channels in the graph."""
        return np.arange(self.start, self.start + self.channels)


@dataclasses.dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer, or of an operation such as `a + b`.

    `arguments` are its (args, kwargs) with signals in place of tensors, and
    `inner` the signals within the layer that count as channels: the heads of
    attention, the units of recurrent cells. A `crossing` is a nested model
    being entered or left, which changes nothing.
    """

    operation: keras.Operation
    arguments: tuple
    outputs: tuple
    crossing: bool = False
    inner: tuple = ()

    @functools.cached_property
    def inputs(self):
        """Tuple of the signals among the arguments, masks left out."""
        args, options = self.arguments
        return _signals(args, {k: v for k, v in options.items() if k != "mask"})

    @property
    def masks(self):
        """Tuple of the signals that tell which places to leave out."""
        _, options = self.arguments
        return _signals(options.get("mask"))

    def run(self, values):
        """Returns what the operation makes of one vector per input.

        Args:
            values: List of arrays, one value per channel of each input.
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
    """All calls of a `model`, in the order of computation, and its signals.

    `entries` is a dict from the id of a nested model to the input signals of
    each call of it, a list of tuples. `composites` is a dict from each
    composite layer to the arguments of its first call, `borders` are the
    signals that go in and out of their calls, and `within` are the calls
    that their code makes.
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
    def size(self):
        """How many channels there are in all."""
        return sum(signal.channels for signal in self.signals)

    @functools.cached_property
    def calls_of(self):
        """Dict from operation to its calls, nested models' crossings left
        out."""
        found = collections.defaultdict(list)
        for call in self.calls:
            if not call.crossing:
                found[call.operation].append(call)
        return found

    @functools.cached_property
    def users_of(self):
        """Dict from signal to the calls that it goes into."""
        found = collections.defaultdict(list)
        for call in self.calls:
            for signal in dict.fromkeys((*call.inputs, *call.masks)):
                found[signal].append(call)
        return found


def followable(layer):
    """Whether a layer is a model that computes by a graph of layers, whoever
    makes it."""
    if not keras_internals.computes_by_graph(layer):
        return False
    with contextlib.suppress(Exception):  # A Sequential without an input.
        return bool(layer.inputs)
    return False


def record(model, heads_of, goes_into):
    """Returns the `Graph` of a model, in which wrappers are looked through.

    Nothing of the model changes: its calls are read, not made again.

    Args:
        model: A model that is `followable`, wrapped or not.
        heads_of: Function from an operation to how many heads it has that count
            as channels within it, 0 if none.
        goes_into: Function from a layer to whether to look at its own code.
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
        """Records the calls of a graph; returns its inputs and outputs."""
        known = {}  # By the id of a tensor. A model called twice has two each.

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
        """Returns the signals within a layer, new ones for each call."""
        sizes = cells.sizes(operation)
        if not sizes and (heads := self._heads_of(operation)):
            sizes = (heads,)
        return tuple(self._signal((None, size)) for size in sizes)

    def _look_at_code(self, layer, arguments):
        """Records what a composite layer's own code calls."""
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


def trains(call):
    """Whether a call runs as in training, whatever the model does."""
    _, options = call.arguments
    return bool(options.get("training"))


def runs_as_inference(call):
    """Whether a call runs as in inference unless the model is training, at all
    places."""
    _, options = call.arguments
    masks = keras.tree.flatten(options.get("mask"))  # One for each input.
    return not trains(call) and all(x is None for x in masks)
