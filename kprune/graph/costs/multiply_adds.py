"""Counts the multiply-adds of each weight in a forward pass.

Each call of a layer of a known class leaves its shapes, and from them follows
the number of uses: how many times each entry of the weight is multiplied for
one example. So

    multiply-adds of a weight = entries kept x uses

summed over all calls of a shared layer. As is the habit, positions where a
convolution's window hangs over the edge count like any other. Products without
a weight (attention scores, activations, batch normalization) are not counted,
nor is a weight that something else than its own layer computes with.

Through a graph the shapes are followed layer by layer. What else holds weights
is traced, a subclassed model as a whole.
"""

import contextlib
import dataclasses
import functools
import inspect
import math
import threading

import keras
import tensorflow as tf

from kprune.graph.calls import followable
from kprune.graph.costs import uses
from kprune.graph.costs.inputs import specs
from kprune.masking import weights
from kprune.runtime import keras_internals

_lock = threading.RLock()
_METHODS = ("call", "quantized_call")


def count_uses(model, inputs=None):
    """Returns how often each entry of each weight is used on one example.

    Args:
        model: A built Keras model, left as it is.
        inputs: A batch as the model takes it, of which only shapes and dtypes
            count. Defaults to what the model was built for.

    Returns:
        Dict from the `id` of a variable to an integer, or `None` where the
        shapes do not tell. Weights of layers that are never called, or whose
        class is not known, are not in it.

    Raises:
        Exception: What the model raises, if it cannot be traced.
        ValueError: If its input shapes are open.
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
    """Follows shapes through a graph; returns those of its outputs."""
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
    """Returns the shapes that a call gives, and records what it uses."""
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
    if any(None in x.shape for x in outputs):  # As `EinsumDense` may tell it.
        return _trace(layer, args, kwargs, recorder)
    if held:
        first = _first_argument(layer.call, args, kwargs)
        recorder.add(layer, first.shape, outputs[0].shape)
    return outputs


def _trace(layer, args, kwargs, recorder):
    """Does so for anything, in a traced graph."""
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
    """Collects the layers to watch, by id, with all that lie below."""
    if id(layer) not in found:
        found[id(layer)] = layer
        for _, child in weights.children(layer):
            _layers(child, found)
    return found


@contextlib.contextmanager
def _watched(layers, recorder):
    """Has the recorder see the calls of layers of the model.

    Their methods are shadowed on the instance, not in `__call__`, which
    TimeDistributed goes past, and given back at the end.
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
    """Adds up the uses of each weight over the calls that it watches.

    Attributes:
        uses: Dict from the `id` of a variable to the uses on the batch.
    """

    def __init__(self):
        self.uses = {}
        self._thread = None
        self._times = 1  # How often the code being traced runs.

    def start(self):
        """Begins a trace of the model, in the graph that is current."""
        self.uses.clear()
        self._thread = threading.get_ident()
        self._graph = tf.compat.v1.get_default_graph()
        self._active = set()
        self._loops = []
        self._times = 1

    def watch(self, layer, call):
        """Returns `call`, made to record what comes in and goes out."""

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
            # On a GPU one fused operation stands for all calls of the cell.
            self._times = _product(self._times, loop.steps)
            batch, _, *shape = sequence.shape
            self.add(layer.cell, (batch, *shape), (batch, layer.units))
        return outputs

    def _times_called(self, layer):
        """A cell is traced once or more, and runs once per time step."""
        loop = self._loops[-1] if self._loops else None
        if loop is not None and loop.cell is layer:
            first, loop.called = not loop.called, True
            return _product(self._times, loop.steps) if first else 0
        # Keras runs stacked cells once more, to shape their dropout masks.
        aside = loop is not None and id(loop.cell) not in self._active
        if self._times == 0 or (aside and id(layer) in loop.below):
            return 0
        # Nobody knows how often a loop or branch of the user's own runs.
        known = tf.compat.v1.get_default_graph() is self._graph
        return self._times if known else None

    def add(self, layer, inputs, outputs):
        """Adds the uses of a call to those of the layer's weights."""
        if self._times == 0 or not uses.knows(layer):
            return
        for variable in layer.weights:
            once = uses.of_call(layer, variable, tuple(inputs), tuple(outputs))
            self.count(id(variable), _product(self._times, once))

    def count(self, key, times):
        """Adds a number of uses, `None` if it is not known."""
        total = self.uses.get(key, 0)
        known = total is not None and times is not None
        self.uses[key] = total + times if known else None


def _first_argument(call, args, kwargs):
    bound = inspect.signature(call).bind(*args, **kwargs)
    return keras.tree.flatten(list(bound.arguments.values()))[0]


def _product(*numbers):
    return None if None in numbers else math.prod(numbers)
