"""Counts the multiply-adds of each weight in a forward pass.

The input and output shapes of each call of a layer of a known class determine
the number of uses: how often each entry of the weight is multiplied for one
example. So

    multiply-adds of a weight = entries kept x uses

summed over all calls of a shared layer. As usual, a convolution's positions at
the padded border count like any other. Products without a weight (attention
scores, activations, batch normalization) are not counted, nor are weights that
code outside their own layer computes with.

In a graph, shapes are inferred layer by layer. Other layers with weights are
traced; a subclassed model is traced as a whole.
"""

import contextlib
import dataclasses
import functools
import inspect
import math
import threading
from typing import Any

import keras
import tensorflow as tf

from kprune.graph.calls import followable
from kprune.graph.costs import uses
from kprune.graph.costs.inputs import specs
from kprune.masking import weights
from kprune.runtime import keras_internals, types

_lock = threading.RLock()
_METHODS = ("call", "quantized_call")


def count_uses(model: types.Model, inputs: Any = None) -> dict[int, int | None]:
    """Returns how often each entry of each weight is used on one example.

    Args:
        model: A built Keras model. It is not modified.
        inputs: A batch of the model's inputs, of which only shapes and dtypes
            matter. Defaults to the shapes the model was built for.

    Returns:
        Dict from the `id` of a variable to an integer, or `None` if the
        shapes do not determine it. Weights of layers that are never called,
        or whose class is unknown, are missing.

    Raises:
        Exception: Any error of the model, if it cannot be traced.
        ValueError: If its input shapes are unknown or open.
    """
    structure, batch = specs(model, inputs)
    recorder = _Recorder()
    if followable(model):
        given = keras.tree.map_structure(_symbolic, structure)
        _follow(model, keras.tree.flatten(given), recorder)
    else:
        _trace(model, (structure,), {}, recorder)
    return {
        key: None if total is None else total // batch
        for key, total in recorder.uses.items()
    }


def _follow(model, inputs, recorder):
    """Infers shapes through a graph; returns the specs of its outputs."""
    specs = dict(zip(map(id, model.inputs), inputs, strict=True))
    for operation, arguments, outputs in keras_internals.nodes(model):
        args, kwargs = keras.tree.map_structure(
            lambda x: specs.get(id(x), x), arguments
        )
        found = _called(weights.unwrapped(operation), args, kwargs, recorder)
        found = keras.tree.flatten(found)
        specs.update(zip(map(id, outputs), found, strict=True))
    return [specs[id(x)] for x in model.outputs]


def _called(layer, args, kwargs, recorder):
    """Returns the output specs of a call, and records its uses."""
    if followable(layer):
        inputs = keras.tree.flatten((args, kwargs))
        inputs = [x for x in inputs if isinstance(x, keras.KerasTensor)]
        if len(inputs) == len(layer.inputs):
            return _follow(layer, inputs, recorder)
    held = bool(getattr(layer, "weights", None))
    stock = type(layer).call.__module__.startswith("keras.")
    if held and not (stock and uses.knows(layer)):
        return _trace(layer, args, kwargs, recorder)
    outputs = keras.tree.flatten(layer.compute_output_spec(*args, **kwargs))
    # `EinsumDense` may infer open dimensions for known inputs.
    if any(None in x.shape for x in outputs):
        return _trace(layer, args, kwargs, recorder)
    if held:
        first = _first_argument(layer.call, args, kwargs)
        recorder.add(layer, first.shape, outputs[0].shape)
    return outputs


def _trace(layer, args, kwargs, recorder):
    """Does what `_called` does for any layer, by tracing it."""
    kwargs = {"training": False, **kwargs}
    within = _Recorder()

    def forward(*tensors):
        within.start()
        flat = keras.tree.flatten((args, kwargs))
        found = iter(tensors)
        flat = [next(found) if _is_spec(x) else x for x in flat]
        args_, kwargs_ = keras.tree.pack_sequence_as((args, kwargs), flat)
        return layer(*args_, **kwargs_)

    given = filter(_is_spec, keras.tree.flatten((args, kwargs)))
    given = [tf.TensorSpec(x.shape, x.dtype) for x in given]
    trace = tf.function(forward, autograph=False)
    scope = keras_internals.stateless(layer, collect_losses=True)
    with scope, _watched(_layers(layer, {}), within):
        traced = trace.get_concrete_function(*given)
    for key, total in within.uses.items():
        recorder.count(key, total)
    return keras.tree.map_structure(_symbolic, traced.structured_outputs)


def _is_spec(x):
    return isinstance(x, keras.KerasTensor | tf.TensorSpec)


def _symbolic(spec):
    dtype = keras.backend.standardize_dtype(spec.dtype)
    return keras.KerasTensor(spec.shape, dtype)


def _layers(layer, found):
    """Adds a layer and all layers below it to `found`, by id; returns it."""
    if id(layer) not in found:
        found[id(layer)] = layer
        for _, child in weights.children(layer):
            _layers(child, found)
    return found


@contextlib.contextmanager
def _watched(layers, recorder):
    """Lets a recorder watch the calls of layers inside the block.

    It shadows `_METHODS` on each instance and restores them at the end.
    Shadowing `__call__` would not do: TimeDistributed bypasses it.
    """
    cells = {
        id(layer.cell)
        for layer in layers.values()
        if isinstance(layer, keras.layers.RNN)
    }
    shadowed = []
    with _lock:
        try:
            for key, layer in layers.items():
                rnn = isinstance(layer, keras.layers.RNN)
                if not (rnn or key in cells or uses.knows(layer)):
                    continue
                for method in _METHODS:
                    before = layer.__dict__.get(method)
                    shadowed.append((layer, method, before))
                    layer.__dict__[method] = recorder.watch(
                        layer, getattr(layer, method)
                    )
            yield
        finally:
            for layer, method, before in shadowed:
                if before is None:
                    layer.__dict__.pop(method, None)
                else:
                    layer.__dict__[method] = before


@dataclasses.dataclass
class _Loop:
    """A recurrent layer that is being called."""

    cell: keras.layers.Layer
    below: dict  # Layers of the cell, by id.
    steps: int | None
    called: bool = False


class _Recorder:
    """A counter of the uses of each weight over the calls it watches.

    Attributes:
        uses: Dict from the `id` of a variable to its uses on the whole batch.
    """

    def __init__(self):
        self.uses = {}
        self._thread = None
        self._times = 1  # How often the traced code runs; `None` if unknown.

    def start(self):
        """Begins a trace of the model in the current graph."""
        self.uses.clear()
        self._thread = threading.get_ident()
        self._graph = tf.compat.v1.get_default_graph()
        self._active = set()
        self._loops = []
        self._times = 1

    def watch(self, layer, call):
        """Returns `call` wrapped to record its input and output shapes."""

        @functools.wraps(call)
        def watched(*args, **kwargs):
            ours = self._thread == threading.get_ident()
            if not ours or id(layer) in self._active:
                return call(*args, **kwargs)
            self._active.add(id(layer))
            before, self._times = self._times, self._times_called(layer)
            try:
                first = _first_argument(call, args, kwargs)
                if isinstance(layer, keras.layers.RNN):
                    return self._recur(layer, first, call, args, kwargs)
                outputs = call(*args, **kwargs)
                shapes = first.shape, keras.tree.flatten(outputs)[0].shape
                self.add(layer, *shapes)
                return outputs
            finally:
                self._times = before
                self._active.discard(id(layer))

        return watched

    def _recur(self, layer, sequence, call, args, kwargs):
        loop = _Loop(layer.cell, _layers(layer.cell, {}), sequence.shape[1])
        self._loops.append(loop)
        try:
            outputs = call(*args, **kwargs)
        finally:
            self._loops.pop()
        if not loop.called and uses.knows(layer.cell):
            # On a GPU, one fused operation replaces all calls of the cell.
            self._times = _product(self._times, loop.steps)
            batch, _, *shape = sequence.shape
            self.add(layer.cell, (batch, *shape), (batch, layer.units))
        return outputs

    def _times_called(self, layer):
        """Returns how often a traced call runs: a cell, traced once or more,
        runs once per time step."""
        loop = self._loops[-1] if self._loops else None
        if loop is not None and loop.cell is layer:
            first, loop.called = not loop.called, True
            return _product(self._times, loop.steps) if first else 0
        # Keras calls stacked cells once more, to shape their dropout masks.
        aside = loop is not None and id(loop.cell) not in self._active
        if self._times == 0 or (aside and id(layer) in loop.below):
            return 0
        # In another graph, the call is in a user's loop or branch, which runs
        # an unknown number of times.
        known = tf.compat.v1.get_default_graph() is self._graph
        return self._times if known else None

    def add(self, layer, inputs, outputs):
        """Adds the uses of a layer's weights in a call of these shapes."""
        if self._times == 0 or not uses.knows(layer):
            return
        for variable in layer.weights:
            once = uses.of_call(layer, variable, tuple(inputs), tuple(outputs))
            self.count(id(variable), _product(self._times, once))

    def count(self, key, times):
        """Adds a number of uses, or `None` if it is unknown."""
        total = self.uses.get(key, 0)
        known = total is not None and times is not None
        self.uses[key] = total + times if known else None


def _first_argument(call, args, kwargs):
    bound = inspect.signature(call).bind(*args, **kwargs)
    return keras.tree.flatten(list(bound.arguments.values()))[0]


def _product(*numbers):
    return None if None in numbers else math.prod(numbers)
