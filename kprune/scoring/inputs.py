"""Second moments of the inputs of weights, in one forward pass.

The layers that own the weights are observed as the network runs. Their inputs
are summed up at once and not kept.
"""

import contextlib
import functools

import keras
import numpy as np
import tensorflow as tf

from kprune.masking import weights
from kprune.runtime import distribution, examples, keras_internals, lookup
from kprune.scoring import points, read_inputs
from kprune.scoring.observer import Observer


class LayerInputs:
    """Second moments of what the weights of a network read in inference mode.

    Args:
        network: A Keras model.
        variables: Dict from weight name to its variable in the network.
        masks: List of mask variables; all are replaced by True.
        strategy: A `tf.distribute.Strategy`.
        compiled: As in `kprune.ScoringConfig`.
        twin: The network, if it is a copy of the model, else `None`.
    """

    def __init__(self, network, variables, masks, strategy, compiled, twin):
        self.network, self._variables = network, variables
        self._masks, self._strategy = masks, strategy
        self._compiled, self._twin = compiled, twin
        found = weights.find(network)
        self.owners = {
            name: next(w.layer for w in found if w.variable is variable)
            for name, variable in variables.items()
        }
        self._readers = {
            name: read_inputs.reader(layer, variables[name].name)
            for name, layer in self.owners.items()
        }
        self._traces = {}

    def moments(self, values, names, gram, batches):
        """Returns the sum over batches of X'X, or of its diagonal.

        Args:
            values: List of tensors, one for each variable.
            names: Names of the weights to measure, or `None` for all.
            gram: Whether to return whole matrices.
            batches: Iterator of batches.

        Returns:
            Dict of float64 arrays by name.
        """
        names = self.check(names)
        parts = (
            self._function(names, gram, values, x)(values, x)
            for x, *_ in batches
        )
        return self.summed(names, parts)

    def summed(self, names, parts):
        """Returns the moments of several batches summed, a dict by name.

        Args:
            names: Names of weights.
            parts: Iterable of lists of tensors, a list for each batch and a
                tensor for each name.
        """
        total = None
        for part in parts:
            part = [np.asarray(p, np.float64) for p in part]
            if total is not None:
                part = [a + b for a, b in zip(total, part, strict=True)]
            total = part
        found = {
            name: (one + one.T) / 2  # Rounding breaks the symmetry.
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

    def observer(self, names=(), gram=False, **options):
        """Returns an `Observer` of the inputs of some weights."""
        owners, readers = self.owners, self._readers
        read = {name: (owners[name], readers[name]) for name in names}
        return Observer(read, gram, **options)

    @contextlib.contextmanager
    def running(self, values, observer):
        """Returns a context in which the network computes with `values` and
        `observer` sees its layers' calls."""
        shown = zip(self._variables.values(), values, strict=True)
        mapping = [*shown]
        mapping += [(m, tf.ones(m.shape, tf.bool)) for m in self._masks]
        layers = keras_internals.all_layers(self.network)
        with (
            keras_internals.stateless(self.network, mapping),
            keras_internals.observed(layers),
            keras_internals.observing(observer),
        ):
            yield

    def check(self, names):
        """Returns names of weights (`None` means all) in the model's order;
        raises `ValueError` for weights whose inputs are unknown."""
        for name in names or ():
            lookup.choose(name, self._variables, "weight")
        names = [n for n in self._variables if names is None or n in names]
        unknown = {
            name: type(self.owners[name]).__name__
            for name in names
            if self._readers[name] is None
        }
        if unknown:
            raise ValueError(
                "kprune can measure the inputs of Dense, EinsumDense whose "
                "outputs share their inputs, attention projections, "
                "convolutions of one group, and Embedding. Received: "
                f"{unknown}. Exclude them by `exclude={[*unknown]}`."
            )
        return names

    def _function(self, names, gram, values, x):
        compute = functools.partial(self._sums, names, gram)
        if self.traced:
            return self._trace(compute, names, gram, values, x)
        return lambda values, x: compute(values, as_tensors(x))

    @property
    def traced(self):
        """Whether computations are traced."""
        return bool(self._compiled) or self._several

    @property
    def _several(self):
        return distribution.replicas(self._strategy) > 1

    def _trace(self, compute, names, gram, values, x):
        if self._several:
            compute = functools.partial(self._on_replicas, compute)
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
        """Runs the network on inputs and returns one replica's moments."""
        observer = self.observer(names, gram)
        with self.running(values, observer):
            self.network(x, training=False)
        return observer.found(names)


def _count(x):
    return examples.count(keras.tree.flatten(x)[0])


def as_tensors(x):
    return keras.tree.map_structure(
        lambda a: a if examples.is_ragged(a) else tf.convert_to_tensor(a), x
    )
