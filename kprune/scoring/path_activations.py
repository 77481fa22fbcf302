"""How often the paths through a network are active on data.

A path is active on an example if all activations that it goes through are. Of
an output, what is counted is the sum over examples and the active paths that
lead to it, each weighing its input squared: with every weight 1, the output of
the network whose activations are those of the true one. Normalization and
rescaling pass on what they get.
"""

import keras
import tensorflow as tf

from kprune.masking import precision
from kprune.runtime import keras_internals
from kprune.scoring import reuse
from kprune.scoring.synaptic_flow import leave_out_last_activation

layers = keras.layers
_GATED = ("relu", "leaky_relu")
_GATED_LAYERS = (layers.ReLU, layers.LeakyReLU, layers.PReLU)
_SCALING = (
    layers.BatchNormalization,
    layers.GroupNormalization,
    layers.LayerNormalization,
    layers.Normalization,
    layers.RMSNormalization,
    layers.Rescaling,
)
_OTHER = (
    layers.Dot,
    layers.Lambda,
    layers.Maximum,
    layers.Minimum,
    layers.Multiply,
    layers.UnitNormalization,
)
# Of what stands in a graph and is no layer.
_LINEAR_OPERATIONS = ("Add", "Concatenate", "GetItem", "Reshape", "Transpose")


class PathActivations(reuse.Reusable):
    """Counts active paths on two copies of a model, in float64.

    Args:
        model: A built Sequential or Functional model of Keras' own layers,
            whose activations are ReLU and its like.
        variables: Dict from name to the variables that are scored.

    Raises:
        ValueError: If it is not known when a path through the model is active.
    """

    def __init__(self, model, variables):
        self.twin, twin_of = precision.copy_in(model, "float64")
        self._counting, counting_of = precision.copy_in(model, "float64")
        for copy in (self.twin, self._counting):
            leave_out_last_activation(copy)
        _check(self.twin)
        self._variables = {n: twin_of(v) for n, v in variables.items()}
        self._places = {n: counting_of(v) for n, v in variables.items()}
        self._gates = []
        _change(self.twin, self._recorded)
        _change(self._counting, self._played)
        for layer in keras_internals.all_layers(self._counting):
            if isinstance(layer, _SCALING):
                layer.call = _unchanged
        for variable in self._counting.variables:
            if keras.backend.is_float_dtype(variable.dtype):
                variable.assign(keras.ops.zeros_like(variable))

    def totals(self, weights, masks, batches):
        """Returns the count of each output, summed over all examples, a list
        with an array for each output of the model.

        Args:
            weights, masks: Dicts of arrays by weight name.
            batches: Iterable of (x, y, sample_weight).
        """
        kept = {n: tf.cast(masks[n], tf.float64) for n in self._variables}
        values = {n: m * tf.cast(weights[n], m.dtype) for n, m in kept.items()}
        totals = None
        for x, *_ in batches:
            self._gates.clear()
            _run(self.twin, self._variables, values, x)
            squared = keras.tree.map_structure(_squared, x)
            found = _run(self._counting, self._places, kept, squared)
            sums = [tf.reduce_sum(z, axis=0) for z in found]
            before = totals or [tf.zeros_like(one) for one in sums]
            totals = [a + b for a, b in zip(before, sums, strict=True)]
        return totals

    def _recorded(self, function):
        def call(x, *args, **options):
            self._gates.append(x > 0)
            return function(x, *args, **options)

        return call

    def _played(self, function):
        del function

        def call(x, *args, **options):
            return tf.where(self._gates.pop(0), x, tf.zeros_like(x))

        return call


def _check(model):
    """Raises unless all that a copy computes is known to carry paths."""
    if not keras_internals.is_graph(model):
        raise ValueError(_unknown(f"model {model.name!r}, of an own class"))
    for layer in keras_internals.all_layers(model):
        cls = type(layer)
        own = cls is getattr(layers, cls.__name__, None) and cls not in _OTHER
        if not own and not keras_internals.is_graph(layer):
            raise ValueError(_unknown(f"layer {layer.name!r}, {cls.__name__}"))
        name = keras_internals.activation_name(layer)
        other = name not in (None, "linear", *_GATED)
        if other or getattr(layer, "max_value", None) is not None:
            raise ValueError(_unknown(f"the activation of {layer.name!r}"))
        for operation in getattr(layer, "operations", ()):
            kind = type(operation).__name__
            layered = isinstance(operation, layers.Layer)
            if not layered and kind not in _LINEAR_OPERATIONS:
                raise ValueError(_unknown(f"the operation {kind}"))


def _unknown(what):
    return (
        "Path exclusion needs to know when a path is active. Expected a "
        "Sequential or Functional model of Keras' own layers, linear but for "
        f"ReLU, LeakyReLU and PReLU. Received: {what}"
    )


def _change(model, make):
    """Puts what `make` makes of an activation in its place."""
    for layer in keras_internals.all_layers(model):
        if isinstance(layer, _GATED_LAYERS):
            layer.call = make(layer.call)
        elif keras_internals.activation_name(layer) in _GATED:
            layer.activation = make(layer.activation)


def _run(model, places, values, x):
    """Returns the outputs of a copy with these values, a list."""
    mapping = [(places[name], value) for name, value in values.items()]
    with keras_internals.stateless(model, mapping):
        return keras.tree.flatten(model(x, training=False))


def _squared(x):
    x = tf.convert_to_tensor(x)
    return tf.square(tf.cast(x, tf.float64)) if x.dtype.is_floating else x


def _unchanged(inputs, *args, **options):
    del args, options
    return inputs
