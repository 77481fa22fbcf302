"""Rebuilds the smaller model from a `Decision`."""

import keras
import numpy as np

from kprune.deploy.shrink import (
    bypassing,
    composites,
    filling,
    folding,
    inlining,
    proof,
    resized,
    sizes,
)
from kprune.masking import layer_copies, weights
from kprune.runtime import identity, keras_internals, seeds


def rebuild(view, decision):
    """Returns the smaller model, and where its variables come from.

    Args:
        view: A `weights.View` of the model.
        decision: The `Decision` for it.

    Returns:
        The uncompiled model, and a list of (variable of the model, new
        variable, list of the (axis, indices) kept).
    """
    model = view.model
    known = keras_internals.known_objects(keras_internals.all_layers(model))
    builder = _Builder(decision)
    with seeds.untouched(), known:
        new = builder.graph(model)
    pairs = filling.fill(builder, view)
    _carry_trainable(builder, model, new)
    return new, pairs


def failing_composite(view, decision):
    """Returns a composite layer whose code does not compute the same outputs
    with smaller layers, or `None`."""
    found = decision.analysis.graph.composites
    within = {
        id(x)
        for layer in found
        for x in keras_internals.all_layers(layer)
        if x is not layer
    }
    within |= {id(layer) for layer in decision.bypassed}
    for layer, arguments in found.items():
        builder = _Builder(decision)
        if id(layer) in within or not builder.shrinks_within(layer):
            continue
        known = keras_internals.known_objects(keras_internals.all_layers(layer))
        try:
            with seeds.untouched(), known:
                new = builder.layer(layer)
            filling.fill(builder, view)
            proof.check_layer(view, layer, new, arguments)
        except Exception:
            return layer
    return None


class _Builder:
    """Builds the new layers, without values."""

    def __init__(self, decision):
        self.decision = decision
        self.cuts = sizes.cuts(decision)
        self.new = identity.ByIdentity()  # From old to new layers.
        self.parts = identity.ByIdentity()  # The inputs that new layers read.
        self.calls = {}  # The first call and flow of each followed layer.
        self.inlined, self.names = inlining.find(decision.analysis.graph.model)
        self.bypassed = {id(layer) for layer in decision.bypassed}
        self.rest = []  # Pairs for the own variables of composite layers.
        for call, flow in decision.analysis.flow.items():
            if flow is not None and not call.crossing:
                self.calls.setdefault(call.operation, (call, flow))
        # Arrays to add to variables, by id, and new biases, by layer.
        self.added, self.biases = folding.additions(decision)

    def graph(self, model):
        """Returns the smaller copy of a graph of layers."""
        chain = isinstance(model, keras.Sequential)
        own = map(weights.unwrapped, model.layers)
        whole = self.decision.parts.keys().isdisjoint(own)
        if chain and whole and not self.inlined and not self.bypassed:
            # Unlike `Sequential.layers`, this includes the input layer.
            first, *_ = super(keras.Sequential, model).layers
            (given,) = self._inputs(model, [first.name])
            layers = [self.layer(layer) for layer in model.layers]
            listed = keras_internals.lists_layers(model)
            cls = type(model) if listed else keras.Sequential
            new = cls([given, *layers], name=model.name)
        elif chain:
            (given,) = self._inputs(model, [None])
            x = given
            for layer in model.layers:
                x = self._call(self.layer(layer), x)
            new = keras.Model(given, x, name=model.name)
        else:
            given = self._inputs(model, [x.name for x in model.inputs])
            given = keras.tree.pack_sequence_as(model.input, given)
            new = keras_internals.rerun(model, given, self.layer, self._call)
        self.new[model] = new
        return new

    def _inputs(self, model, names):
        """Returns new inputs of a graph. Those of a nested graph may shrink."""
        calls = self.decision.analysis.graph.entries.get(id(model))
        signals = calls[0] if calls else [None] * len(names)
        given = []
        for tensor, signal, name in zip(
            model.inputs, signals, names, strict=True
        ):
            shape = list(tensor.shape)
            if signal is not None and signal.channels:
                shape[-1] = len(self.decision.kept(signal))
            dtype = tensor.dtype
            given.append(keras.Input(batch_shape=shape, dtype=dtype, name=name))
        return given

    def layer(self, old):
        """Returns the replacement of a layer or operation."""
        old = weights.unwrapped(old)
        if id(old) in self.inlined:
            return inlining.Inlined(old)
        if id(old) in self.bypassed:
            return bypassing.Bypassed(old)
        if old not in self.new:
            new = self._made(old)
            new.name = self.names.get(id(old), new.name)
            self.new[old] = new
            self.parts[new] = self.decision.parts.get(old)
        return self.new[old]

    def _made(self, old):
        if id(old) in self.decision.analysis.graph.entries:
            return self.graph(old)
        if self.shrinks_within(old):
            return self._composite(old)
        if old not in self.calls and isinstance(old, keras.layers.Layer):
            return resized.copied(old)
        if parts := self._parts_of(old):
            return resized.of_smaller(old, parts)
        new = layer_copies.from_config(
            old, lambda config: {**config, **self._changes(old)}
        )
        layer_copies.begin_as(old, new)
        return new

    def shrinks_within(self, old):
        """Returns whether a layer is composite and a layer in it shrinks."""
        composites = self.decision.analysis.graph.composites
        return old in composites and bool(resized.find(old, self._shrinks))

    def _shrinks(self, layer):
        """Returns whether a layer within a composite one must be replaced."""
        if id(layer) in self.decision.analysis.graph.entries:
            return True
        if layer not in self.calls:
            return False
        if any(id(v) in self.cuts for v in layer.variables):
            return True
        changes = self._changes(layer)
        # Compared with the flow's config for all channels, not with
        # `get_config`, which some layers lack.
        now = self.calls[layer][1].config(self.calls[layer][0], _all, ())
        return any(
            np.any(np.not_equal(now.get(key), value))
            for key, value in changes.items()
        )

    def _composite(self, old):
        """Returns a composite layer with smaller layers in it."""
        arguments = self.decision.analysis.graph.composites[old]
        parts = resized.find(old, self._shrinks)
        shapes = [
            sizes.shape(v, self.cuts.get(id(v), []))
            for v in layer_copies.values(old)
        ]
        new = composites.by_config(old, shapes, arguments)
        if new is None:
            changes = {
                place: self._changes(part)
                if part in self.calls and not self._parts_of(part)
                else None
                for place, part in parts.items()
            }
            parts = {place: self.layer(part) for place, part in parts.items()}
            new = composites.by_parts(old, parts, changes, arguments)
        entries = self.decision.analysis.graph.entries
        pairs = composites.paired(
            old, new, lambda x: x in self.calls or id(x) in entries
        )
        for one, other in pairs:
            if one in self.calls:
                self.new[one] = other
            elif id(one) not in entries:
                own = map(weights.own_variables, (one, other))
                self.rest += [(a, b, []) for a, b in zip(*own, strict=True)]
        return new

    def _changes(self, old):
        """Returns the changed entries of a layer's config."""
        if old not in self.calls:
            return {}
        call, flow = self.calls[old]
        return flow.config(call, self.decision.kept_by(call), self.biases)

    def _parts_of(self, old):
        """Returns the changes of the layers in a layer whose own config cannot
        make it smaller, as `Flow.parts` does."""
        if old not in self.calls or not any(
            id(v) in self.cuts for v in getattr(old, "variables", ())
        ):
            return {}
        call, flow = self.calls[old]
        return flow.parts(call, self.decision.kept_by(call))

    def _run(self, graph, *arguments, **options):
        """Calls the new layers of a graph one by one."""
        given = keras.tree.flatten((arguments, options))
        given = [x for x in given if isinstance(x, keras.KerasTensor)]
        known = dict(zip(map(id, graph.inputs), given, strict=True))
        for operation, found, outputs in keras_internals.nodes(graph):
            args, kwargs = keras.tree.map_structure(
                lambda x: known.get(id(x), x), found
            )
            made = self._call(self.layer(operation), *args, **kwargs)
            made = keras.tree.flatten(made)
            known.update(zip(map(id, outputs), made, strict=True))
        made = [known[id(x)] for x in graph.outputs]
        return made[0] if len(made) == 1 else made

    def _call(self, layer, *args, **kwargs):
        """Calls a new layer, on the part of its input that it reads."""
        if isinstance(layer, inlining.Inlined):
            return self._run(layer.graph, *args, **kwargs)
        if isinstance(layer, bypassing.Bypassed):
            return layer.of(args, kwargs)
        part = self.parts.get(layer)
        if part is not None:
            (x,) = args
            args = (keras.ops.take(x, part.tolist(), axis=-1),)
        return layer(*args, **kwargs)


def _all(signal):
    """Returns the indices kept of a signal if all channels stay."""
    return np.arange(signal.channels)


def _carry_trainable(builder, old, new):
    """Copies `trainable` from the top down: Keras' setter also sets it on all
    layers below."""
    new.trainable = old.trainable
    places = {child.name: child for _, child in weights.children(new)}
    for child in _children(builder, old):
        place = builder.new.get(child, places.get(child.name))
        if place is not None:
            _carry_trainable(builder, child, place)


def _children(builder, layer):
    """Yields the children of a layer, with those of inlined graphs."""
    for _, child in weights.children(layer):
        child = weights.unwrapped(child)
        if id(child) in builder.inlined:
            yield from _children(builder, child)
        else:
            yield child
