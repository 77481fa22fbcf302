"""The change of the outputs with the weights, and its derivative by gates."""

import keras
import tensorflow as tf

from kprune.masking import precision
from kprune.runtime import keras_internals
from kprune.scoring import exact_moments, reuse

# The size of each open dimension of an input.
_OPEN_SIZE = 8


class OutputChange(reuse.Reusable):
    """R = sum of |f(u; x) - f(u + v; x)|^2 over examples and outputs.

    Computed on a copy of the model in float32, or float64 if the model is.
    Biases and normalization parameters are the model's, batch normalization
    uses the statistics of the batch, and dropout is off.

    Args:
        model: A built Keras model.
        variables: Dict from name to each variable that changes.
    """

    def __init__(self, model, variables):
        computes_in = {
            layer.compute_dtype for layer in keras_internals.all_layers(model)
        }
        self._dtype = "float64" if "float64" in computes_in else "float32"
        self.twin, twin_of = precision.copy_in(model, self._dtype)
        self._variables = {n: twin_of(v) for n, v in variables.items()}
        self._compiled = tf.function(self._by_gates, autograph=False)

    def by_gates(self, weights, moves, masks, rng, examples):
        """Returns dR/d gate, with a gate on each weight.

        u = gate * weight and u + v = gate * (weight + move); the derivative is
        taken at gates equal to the masks.

        Args:
            weights, moves, masks: Dicts of arrays by weight name.
            rng: A `numpy.random.Generator` for the inputs: N(0, 1), integers
                uniform over the vocabulary.
            examples: Integer >= 1, the number of inputs.

        Returns:
            Dict of tensors by weight name.
        """
        specs = keras_internals.input_specs(self.twin)
        x = keras_internals.random_inputs(
            self.twin, specs, rng, examples, _OPEN_SIZE
        )
        names = list(self._variables)
        given = [
            [tf.cast(values[name], self._dtype) for name in names]
            for values in (weights, moves, masks)
        ]
        return dict(zip(names, self._compiled(x, *given), strict=True))

    def _by_gates(self, x, weights, moves, gates):
        with tf.GradientTape() as tape:
            tape.watch(gates)
            here = self._outputs(x, weights, gates)
            moved = [w + v for w, v in zip(weights, moves, strict=True)]
            there = self._outputs(x, moved, gates)
            total = tf.add_n(
                [
                    tf.reduce_sum(tf.math.squared_difference(one, other))
                    for one, other in zip(here, there, strict=True)
                ]
            )
        none = tf.UnconnectedGradients.ZERO
        return tape.gradient(total, gates, unconnected_gradients=none)

    def _outputs(self, x, weights, gates):
        """Returns a list of the floating-point outputs."""
        values = [g * w for g, w in zip(gates, weights, strict=True)]
        mapping = list(zip(self._variables.values(), values, strict=True))
        with (
            exact_moments.scoring(batch_statistics=True, updates=False),
            keras_internals.stateless(self.twin, mapping),
        ):
            found = self.twin(x, training=False)
        return [z for z in keras.tree.flatten(found) if z.dtype.is_floating]
