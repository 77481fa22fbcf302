"""SynFlow's objective: the sum of the outputs under absolute weights.

The flow of a ResNet-50 is near 1e71, which overflows float32, so a copy of the
model computes it in float64.
"""

import keras
import numpy as np
import tensorflow as tf

from kprune.masking import precision
from kprune.runtime import keras_internals
from kprune.scoring import reuse


class Flow(reuse.Reusable):
    """R = 1' f(|w|^p; 1): the flow through the network on an input of ones.

    Every parameter and moving statistic is replaced by its absolute value to
    the power p, batch normalization is in inference mode, and a softmax or
    sigmoid at the end of a Sequential or Functional model is removed: a
    softmax has a constant sum.

    Args:
        model: A built Keras model.
        variables: Dict from name to each variable that is scored.
        power: Integer, p: 1 for SynFlow, 2 for the path kernel.
    """

    def __init__(self, model, variables, power=1):
        self._power = power
        self.twin, twin_of = precision.copy_in(model, "float64")
        leave_out_last_activation(self.twin)
        self._variables = {n: twin_of(v) for n, v in variables.items()}
        specs = keras_internals.input_specs(model)
        self._ones = keras.tree.map_structure(_ones, specs)
        self._compiled = tf.function(self._scores, autograph=False)
        self.renew()

    def renew(self):
        self._checked = False
        for variable in self.twin.variables:
            if "float" in variable.dtype:
                variable.assign(keras.ops.abs(variable) ** self._power)

    def scores(self, weights, masks, shares=None):
        """Returns |w| dR / d(|w|^p), a dict of float64 tensors >= 0.

        Pruned weights are zero in R, and are scored by the flow they would
        carry.

        Args:
            weights, masks: Dicts of arrays by weight name.
            shares: List with an array for each output, the factors of its
                entries in R. Defaults to 1.

        Raises:
            ValueError: If the flow is not finite, or does not depend on the
                weights.
        """
        names = list(self._variables)
        total, scores = self._compiled(
            [weights[name] for name in names],
            [masks[name] for name in names],
            shares or [],
        )
        if not np.isfinite(total):
            raise ValueError(
                "The flow through the network is not finite, even in float64. "
                "Expected weights whose products stay below 1e308."
            )
        if not self._checked:
            self._checked = True
            most = max(float(tf.reduce_max(s)) for s in scores)
            # The gradient of a constant is rounding, 1e-16 of the flow.
            if total > 0 and most < 1e-12 * float(total):
                raise ValueError(
                    "The sum of the model's outputs does not depend on its "
                    "weights, so nothing can be scored by its flow. Expected "
                    "logits, and activations that do not saturate: does the "
                    "model's `call` end in a softmax, or is it of tanh?"
                )
        return dict(zip(names, scores, strict=True))

    def _scores(self, weights, masks, shares):
        # Traced as one graph: eager operations would need memory for one more
        # copy of the network.
        sizes = [tf.abs(tf.cast(w, tf.float64)) for w in weights]
        zero = tf.zeros([], tf.float64)
        kept = [
            tf.where(mask, size**self._power, zero)
            for mask, size in zip(masks, sizes, strict=True)
        ]
        mapping = list(zip(self._variables.values(), kept, strict=True))
        with tf.GradientTape() as tape:
            tape.watch(kept)
            with keras_internals.stateless(self.twin, mapping):
                outputs = self.twin(self._ones, training=False)
            outputs = keras.tree.flatten(outputs)
            if shares:
                pairs = zip(outputs, shares, strict=True)
                outputs = [z * share for z, share in pairs]
            total = tf.add_n([tf.reduce_sum(z) for z in outputs])
        gradient = tape.gradient(
            total, kept, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return total, [
            size * tf.convert_to_tensor(g)
            for size, g in zip(sizes, gradient, strict=True)
        ]


def leave_out_last_activation(model):
    """Removes, in place, the softmax or sigmoid at the end of a graph model."""
    if not keras_internals.is_graph(model):
        return
    for layer in keras_internals.last_layers(model):
        if keras_internals.activation_name(layer) in ("softmax", "sigmoid"):
            keras_internals.make_linear(layer)


def _ones(spec):
    dtype = keras.backend.standardize_dtype(spec.dtype)
    if None in spec.shape[1:]:
        raise ValueError(
            "SynFlow feeds an input of ones and needs fixed input shapes. "
            f"Received: input shape {spec.shape}"
        )
    return tf.ones(
        (1, *spec.shape[1:]), "float64" if "float" in dtype else dtype
    )
