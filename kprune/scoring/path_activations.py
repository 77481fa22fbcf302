"""How often the paths through a network are active on data.

A path is active on an example if all activations on it are. The count of an
output is the sum, over examples and over the active paths that lead to it, of
the squared input of the path. A copy of the network computes it: its kept
weights are 1, its activations are gated as in the true network, and its
normalization and rescaling are identities.
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
# Operations of a Functional graph that are not layers.
_LINEAR_OPERATIONS = ("Add", "Concatenate", "GetItem", "Reshape", "Transpose")


class PathActivations(reuse.Reusable):
    """Counts active paths on two copies of a model, in float64.

    Args:
        model: A built Sequential or Functional model of Keras' own layers,
            whose activations are linear, ReLU, LeakyReLU or PReLU.
        variables: Dict from name to each variable that is scored.

    Raises:
        ValueError: If the model has other layers, operations or activations.
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
        """Returns the path counts of the outputs, summed over all examples.

        Args:
            weights, masks: Dicts of arrays by weight name.
            batches: Iterable of (x, y, sample_weight).

        Returns:
            List with a tensor for each output of the model.
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
    """Raises `ValueError` unless the paths through a model are known."""
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
    """Replaces each gated activation by `make(activation)`."""
    for layer in keras_internals.all_layers(model):
        if isinstance(layer, _GATED_LAYERS):
            layer.call = make(layer.call)
        elif keras_internals.activation_name(layer) in _GATED:
            layer.activation = make(layer.activation)


def _run(model, places, values, x):
    """Returns a list of the outputs of a copy with some values."""
    mapping = [(places[name], value) for name, value in values.items()]
    with keras_internals.stateless(model, mapping):
        return keras.tree.flatten(model(x, training=False))


def _squared(x):
    x = tf.convert_to_tensor(x)
    return tf.square(tf.cast(x, tf.float64)) if x.dtype.is_floating else x


def _unchanged(inputs, *args, **options):
    del args, options
    return inputs
