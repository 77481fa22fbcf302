"""Second moments of what weights read, in a forward pass of one batch.

The layers that own the weights are observed as the network runs. What they
read is summed up on the spot, and nothing is kept of it.
"""

import functools
import inspect

import keras
import numpy as np
import tensorflow as tf

from kprune.masking import weights
from kprune.runtime import distribution, examples, keras_internals, lookup
from kprune.scoring import points, read_inputs


class LayerInputs:
    """What the weights of a network read, in inference mode.

    Args:
        network: A Keras model.
        variables: Dict from weight name to its variable in the network.
        masks: Variables of masks, replaced by True.
        strategy: A `tf.distribute.Strategy`.
        compiled: As of `kprune.ScoringConfig`.
        twin: The network, if it is a copy of the model.
    """

    def __init__(self, network, variables, masks, strategy, compiled, twin):
        self._network, self._variables = network, variables
        self._masks, self._strategy = masks, strategy
        self._compiled, self._twin = compiled, twin
        found = weights.find(network)
        self._owners = {
            name: next(w.layer for w in found if w.variable is variable)
            for name, variable in variables.items()
        }
        self._readers = {
            name: read_inputs.reader(layer, variables[name].name)
            for name, layer in self._owners.items()
        }
        self._traces = {}

    def known(self, names):
        """Returns names of weights, by default of all, in their order."""
        if names is None:
            return list(self._variables)
        for name in names:
            lookup.choose(name, self._variables, "weight")
        return [name for name in self._variables if name in names]

    def moments(self, values, names, gram, batches):
        """Returns the sums over batches of X'X, or of its diagonal.

        Args:
            values: List of tensors, for the variables.
            names: Names of the weights to look at.
            gram: Whether to return the whole matrix.
            batches: Iterator of batches.

        Returns:
            Dict of arrays of float64 by name.
        """
        self._check(names)
        total = None
        for x, *_ in batches:
            function = self._function(names, gram, values, x)
            part = [np.asarray(p, np.float64) for p in function(values, x)]
            if total is not None:
                part = [a + b for a, b in zip(total, part, strict=True)]
            total = part
        found = {
            name: (one + one.T) / 2  # Symmetric but for rounding.
            for name, one in zip(names, total, strict=True)
        }
        points.check_finite(found, "inputs")
        everything = len(names) == len(self._variables)
        if everything and not any(one.any() for one in found.values()):
            raise ValueError(
                "The data reaches no weight: all that the layers of "
                f"{sorted(names)} read is zero or padding. Expected inputs "
                "such as the model is used on."
            )
        return found

    def _check(self, names):
        unknown = {
            name: type(self._owners[name]).__name__
            for name in names
            if self._readers[name] is None
        }
        if unknown:
            raise ValueError(
                "What weights read is known of Dense, EinsumDense whose "
                "outputs share their inputs, the projections of attention, "
                "convolutions of one group, and Embedding. Received: "
                f"{unknown}. Leave them out by `exclude={[*unknown]}`."
            )

    def _function(self, names, gram, values, x):
        compute = functools.partial(self._sums, names, gram)
        several = distribution.replicas(self._strategy) > 1
        if several:
            compute = functools.partial(self._on_replicas, compute)
        if not (self._compiled or several):
            return lambda values, x: compute(values, _as_tensors(x))
        spec = keras.tree.map_structure(examples.spec, x)
        key = (tuple(names), gram, repr(spec))
        if key not in self._traces:
            specs = [tf.TensorSpec(v.shape, v.dtype) for v in values]
            self._traces[key] = tf.function(
                compute, input_signature=[specs, spec], autograph=False
            )
        return self._traces[key]

    def _on_replicas(self, compute, values, x):
        def mean(part):
            count = _count(part)
            return [s / tf.cast(count, s.dtype) for s in compute(values, part)]

        with distribution.scope(self._strategy):
            means = distribution.mean_over_shares(self._strategy, mean, x)
        return [m * tf.cast(_count(x), m.dtype) for m in means]

    def _sums(self, names, gram, values, x):
        """Runs the network on inputs; returns the moments of one replica."""
        observer = _Observer(
            {name: (self._owners[name], self._readers[name]) for name in names},
            gram,
        )
        shown = zip(self._variables.values(), values, strict=True)
        mapping = [*shown]
        mapping += [(m, tf.ones(m.shape, tf.bool)) for m in self._masks]
        layers = keras_internals.all_layers(self._network)
        with (
            keras_internals.stateless(self._network, mapping),
            keras_internals.observed(layers),
            keras_internals.observing(observer),
        ):
            self._network(x, training=False)
        # Not raised where it is seen, as Keras would put words around it.
        if observer.unread:
            raise ValueError(
                "Layers are called in a loop or a `tf.function` of their own, "
                "where what they read cannot be summed up. Leave them out by "
                f"`exclude=`. Received: {observer.unread}"
            )
        missing = sorted(set(names) - set(observer.sums))
        if missing:
            raise ValueError(
                f"The model does not call the layers of {missing}, which read "
                "nothing. Leave them out by `exclude=`."
            )
        return [observer.sums[name] for name in names]


class _Observer:
    """Sums up what layers read as they are called, padding left out."""

    def __init__(self, read, gram):
        self._read, self._gram = read, gram
        self._masks = []  # Of the calls around: lists of (tensor, mask).
        self._graph = _graph()
        self.sums, self.unread = {}, {}

    def __call__(self, layer, call, args, kwargs):
        own = [
            name for name, (owner, _) in self._read.items() if owner is layer
        ]
        if own and not kwargs.get("reverse"):
            self._add(layer, own, _first(args, kwargs))
        self._masks.append(_masks_of_call(call, args, kwargs))
        try:
            return call(*args, **kwargs)
        finally:
            self._masks.pop()

    def _add(self, layer, names, x):
        if _graph() is not self._graph:
            self.unread |= dict.fromkeys(names, layer.name)
            return
        valid = self._valid(x, isinstance(layer, keras.layers.Embedding))
        for name in names:
            part = self._read[name][1](x, valid, self._gram)
            before = self.sums.get(name)
            self.sums[name] = part if before is None else before + part

    def _valid(self, x, is_lookup):
        """Returns which of the positions of an input are no padding, or
        `None`: as Keras hands it on, or as the calls around were told."""
        own = keras_internals.padding_of(x)
        positions = x.shape if is_lookup else x.shape[:-1]
        if own is not None and len(own.shape) <= len(positions):
            return tf.cast(own, tf.bool)
        for pairs in reversed(self._masks):
            exact = [m for tensor, m in pairs if tensor is x]
            for mask in exact or [m for _, m in pairs]:
                if _fits(mask, positions):
                    return tf.cast(mask, tf.bool)
        return None


def _masks_of_call(call, args, kwargs):
    """Returns pairs of an argument, or `None`, and its padding mask."""
    try:
        given = inspect.signature(call).bind_partial(*args, **kwargs).arguments
    except TypeError:
        given = kwargs
    flat = {**given, **given.get("kwargs", {})}
    for value in list(flat.values()):
        flat.update(value if isinstance(value, dict) else {})
    pairs = []
    for name, value in flat.items():
        mask = flat.get(f"{name}_mask")
        if mask is None and name == "inputs":
            mask = flat.get("mask")
        if mask is None:
            mask = keras_internals.padding_of(value)
        if tf.is_tensor(mask):
            pairs.append((value, mask))
        if str(name).endswith("padding_mask") and tf.is_tensor(value):
            pairs.append((None, value))
    return pairs


def _fits(mask, positions):
    """Whether a mask is of the examples and steps of an input."""
    return (
        len(mask.shape) == 2
        and len(positions) >= 2
        and mask.shape[1] == positions[1]
    )


def _first(args, kwargs):
    return args[0] if args else next(iter(kwargs.values()))


def _graph():
    return None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()


def _count(x):
    return examples.count(keras.tree.flatten(x)[0])


def _as_tensors(x):
    return keras.tree.map_structure(
        lambda a: a if examples.is_ragged(a) else tf.convert_to_tensor(a), x
    )
