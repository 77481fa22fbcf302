"""The smaller model, made from what has been decided."""

import functools

import keras

from kprune.deploy.shrink import folding, sizes
from kprune.graph import calls as graph_calls
from kprune.masking import cloning, layer_copies, weights, wrapping
from kprune.runtime import keras_internals, seeds


def rebuild(view, decision):
    """Returns a smaller model, not compiled, and where its variables come from:
    (variable of the model, variable in its place, (axis, indices) of what is
    kept).
    """
    model = view.model
    known = keras_internals.known_objects(keras_internals.all_layers(model))
    builder = _Builder(decision)
    with seeds.untouched(), known:
        new = builder.graph(model)
    pairs = builder.pairs()
    with wrapping.masked(view):
        values = [
            sizes.cut(builder.folded(old), kept) for old, _, kept in pairs
        ]
    for (_, variable, _), value in zip(pairs, values, strict=True):
        variable.assign(value)
    builder.set_new_biases()
    _carry_trainable(model, new)
    return new, pairs


class _Builder:
    def __init__(self, decision):
        self.decision = decision
        self.cuts = sizes.cuts(decision)
        self.new = {}  # Old and new layer, by the id of the old.
        self.parts = {}  # What a new layer reads of its input, by its id.
        self.places = {}  # New variables by name, and a name, by the id of old.
        self.calls = {}  # First call and flow of each layer that is followed.
        for call, flow in decision.analysis.flow.items():
            if flow is not None and not call.crossing:
                self.calls.setdefault(call.operation, (call, flow))
        # What to add to variables, by id, and new biases, by their layer.
        self.added, self.biases = folding.additions(decision)

    def graph(self, model):
        """Returns a graph of layers anew, smaller."""
        chain = isinstance(model, keras.Sequential)
        own = map(weights.unwrapped, model.layers)
        if chain and self.decision.parts.keys().isdisjoint(own):
            # Unlike `Sequential.layers`, this has the input layer too.
            first, *_ = super(keras.Sequential, model).layers
            (given,) = self._inputs(model, [first.name])
            layers = [self.layer(layer) for layer in model.layers]
            new = type(model)([given, *layers], name=model.name)
        elif chain:
            (given,) = self._inputs(model, [None])
            x = given
            for layer in model.layers:
                x = self._call(self.layer(layer), x)
            new = keras.Model(given, x, name=model.name)
        else:
            given = self._inputs(model, [x.name for x in model.inputs])
            with keras_internals.not_compiled(model):
                new = keras.models.clone_model(
                    model,
                    keras.tree.pack_sequence_as(model.input, given),
                    clone_function=self.layer,
                    call_function=self._call,
                )
        self.new[id(model)] = model, new
        return new

    def _inputs(self, model, names):
        """Returns new inputs of a graph: those of a nested one may shrink."""
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
        """Returns what takes the place of a layer or operation."""
        old = weights.unwrapped(old)
        if id(old) not in self.new:
            new = self._made(old)
            self.new[id(old)] = old, new
            self.parts[id(new)] = self.decision.parts.get(old)
        return self.new[id(old)][1]

    def _made(self, old):
        if id(old) in self.decision.analysis.graph.entries:
            return self.graph(old)
        if old not in self.calls and isinstance(old, keras.layers.Layer):
            new = cloning.plain_copy(old)
            new.name = old.name
            return new
        new = layer_copies.from_config(
            old, lambda config: {**config, **self._changes(old)}
        )
        layer_copies.begin_as(old, new)
        return new

    def _changes(self, old):
        """Returns what changes in the config of a layer."""
        if old not in self.calls:
            return {}
        call, flow = self.calls[old]
        return flow.config(call, self.decision.kept_by(call), self.biases)

    def _call(self, layer, *args, **kwargs):
        """Calls a new layer, on a part of its input if it reads no more."""
        part = self.parts.get(id(layer))
        if part is not None:
            (x,) = args
            args = (keras.ops.take(x, part.tolist(), axis=-1),)
        return layer(*args, **kwargs)

    def pairs(self):
        """Returns (old variable, new variable, cuts) of all layers."""
        found = []
        for old, new in self.new.values():
            vars(new).pop("add_weight", None)
            if old in self.calls and isinstance(old, keras.layers.Layer):
                by_name = _named(new)
                for name, variable in _named(old).items():
                    self.places[id(variable)] = by_name, name
                    kept = self.cuts.get(id(variable), [])
                    found.append((variable, by_name[name], kept))
            elif isinstance(old, keras.layers.Layer) and not (
                id(old) in self.decision.analysis.graph.entries
                or graph_calls.followable(old)
            ):
                own = zip(layer_copies.values(old), new.variables, strict=True)
                found += [(a, b, []) for a, b in own]
        return found

    def folded(self, variable):
        """Returns the value of a variable with what its layer takes over."""
        value = keras.ops.convert_to_numpy(variable)
        if id(variable) in self.added:
            value = value + self.added[id(variable)]
        if id(variable) in self._merging:
            kernel, merged = self._merging[id(variable)]
            value = kernel.merged(value, *merged)
        return value

    @functools.cached_property
    def _merging(self):
        """Kernels that take over others, and what to merge, by id."""
        return {
            id(reader.layer.kernel): (reader.kernel, fold.merged)
            for reader, fold in self.decision.folds.items()
            if fold.merged is not None
        }

    def set_new_biases(self):
        """Gives new layers the biases that those in their place do not have."""
        for layer, bias in self.biases.items():
            by_name, name = self.places[id(layer.variables[0])]
            path = name.rpartition("/")[0]
            by_name[f"{path}/bias".lstrip("/")].assign(bias)


def _named(layer):
    """Returns all that a layer holds, by names that a smaller one has too."""
    states = enumerate(layer_copies.states(layer))
    return dict(weights.named(layer)) | {f"state {i}": v for i, v in states}


def _carry_trainable(old, new):
    """Setting `trainable` on a layer sets it on all below: from the top."""
    new.trainable = old.trainable
    places = {child.name: child for _, child in weights.children(new)}
    for _, child in weights.children(old):
        child = weights.unwrapped(child)
        if child.name in places:
            _carry_trainable(child, places[child.name])
