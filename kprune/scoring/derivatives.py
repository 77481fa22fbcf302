"""Derivatives of the loss on one batch, traced or eager.

This module disables masks, makes second derivatives exact, scales the loss in
float16 and splits the batch among replicas.
"""

import functools

import keras
import numpy as np
import tensorflow as tf

from kprune.runtime import distribution, examples, keras_internals
from kprune.scoring import exact_moments, reuse, tracing

# Derivatives that are averaged over the parts of a batch.
_MEANS = ("value", "gradient", "hvp", "squares", "hessian")
_MOST_KEPT = 8  # Traces, from call to call.


class Derivatives(reuse.Reusable):
    """The loss of a network on a batch and its derivatives.

    Args:
        network: Function of (inputs, training) to outputs: a Keras model.
        variables: List of the variables to differentiate by; a call
            substitutes the values it is given.
        masks: List of mask variables; all are replaced by True.
        loss: Function of (y_true, y_pred, temperature, sample_weight) to a
            scalar.
        batch_statistics: Whether batch normalization uses the statistics of
            the batch.
        dropout: Whether dropout is on.
        added_losses: Whether losses added by `add_loss` count.
        half: Whether part of the network computes in float16.
        strategy: A `tf.distribute.Strategy`.
        compiled: As in `kprune.ScoringConfig`.
        twin: The network, if it is a copy of the model, else `None`.
    """

    def __init__(
        self,
        network,
        variables,
        masks,
        loss,
        batch_statistics,
        dropout,
        added_losses,
        half,
        strategy,
        compiled=None,
        twin=None,
    ):
        self._network = network
        self._variables = variables
        self._masks = masks
        self._loss_function = loss
        self._batch_statistics = batch_statistics
        self._dropout = dropout
        self._added_losses = added_losses
        self._half = half
        self._strategy = strategy
        self._compiled = compiled
        self.twin = twin
        self._loops = tracing.has_loops(network)
        self._traces = {}

    @property
    def fused(self):
        """Whether H g takes one pass. It does not if g has to be scaled or
        averaged over replicas."""
        return not self._half and distribution.replicas(self._strategy) == 1

    def __call__(
        self,
        kind,
        values,
        batch,
        temperature=1.0,
        vectors=(),
        evaluations=None,
    ):
        """Computes one kind of derivative, a list of tensors.

        Args:
            kind: `"value"`, `"gradient"`, `"hvp"`, `"gradient_hvp"` (along
                the gradient), `"squares"` (mean over the examples of the
                squared gradient) or `"hessian"` (rows of the whole matrix).
            values: List of tensors for the first `len(values)` variables.
            batch: (x, y) or (x, y, sample_weight).
            temperature: Logits are divided by it.
            vectors: List of tensors, the direction of an hvp.
            evaluations: How many evaluations of all batches are expected, this
                one included, or `None` if unknown.
        """
        compute = self._function(kind, values, batch, temperature, evaluations)
        if not self._half:
            return compute(values, list(vectors), batch, 1.0)
        # Dynamic loss scaling: the largest power of two that stays finite.
        for exponent in range(24, -8, -2):
            scale = 2.0**exponent
            part = compute(values, list(vectors), batch, scale)
            if all(np.isfinite(p.numpy()).all() for p in part):
                power = 2 if kind == "squares" else 1
                return [p / scale**power for p in part]
        return part

    def by_operation(self, products):
        """Returns whether so many Hessian-vector products (`None` if unknown)
        are computed eagerly, unscaled and on one replica."""
        return self.fused and not self._is_traced("hvp", products)

    def trim(self):
        while len(self._traces) > _MOST_KEPT:
            self._traces.pop(next(iter(self._traces)))
        return bool(self._traces) or self.twin is not None

    def _function(self, kind, values, batch, temperature, evaluations):
        """Returns the function of one batch, traced if that pays."""
        compute = functools.partial(
            getattr(self, f"_{kind}"), float(temperature)
        )
        if not self._is_traced(kind, evaluations):
            return functools.partial(_on_tensors, compute)
        if distribution.replicas(self._strategy) > 1:
            compute = functools.partial(self._on_replicas, compute)
        spec = keras.tree.map_structure(examples.spec, batch)
        key = (kind, temperature, len(values), repr(spec))
        if key not in self._traces:
            specs = [tf.TensorSpec(v.shape, v.dtype) for v in values]
            self._traces[key] = tf.function(
                compute,
                input_signature=[
                    specs,
                    specs if kind == "hvp" else [],
                    spec,
                    tf.TensorSpec([], tf.float32),
                ],
                autograph=False,
            )
        return self._traces[key]

    def _is_traced(self, kind, evaluations):
        if distribution.replicas(self._strategy) > 1:
            return True  # `Strategy.run` is meant to be traced.
        if self._compiled is not None:
            return self._compiled
        return self._loops or tracing.pays(kind, evaluations)

    def _on_replicas(self, compute, values, vectors, batch, scale):
        with distribution.scope(self._strategy):
            return distribution.mean_over_shares(
                self._strategy,
                lambda part: compute(values, vectors, part, scale),
                batch,
            )

    def _value(self, temperature, values, vectors, batch, scale):
        del vectors
        return [self._loss(values, batch, temperature, scale)]

    def _gradient(self, temperature, values, vectors, batch, scale):
        del vectors
        # Other variables need no gradient.
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            loss = self._loss(values, batch, temperature, scale)
        return _gradient_of(tape, loss, values)

    def _hvp(self, temperature, values, vectors, batch, scale):
        # Reverse over reverse. With forward mode inside, the work is the same
        # within 3 %, and loops of recurrent layers fail.
        with tf.GradientTape(watch_accessed_variables=False) as outer:
            outer.watch(values)
            gradient = self._gradient(temperature, values, [], batch, scale)
            # The direction defaults to the gradient, held constant.
            vectors = vectors or [tf.stop_gradient(g) for g in gradient]
            along = tf.add_n(
                [
                    tf.reduce_sum(g * v)
                    for g, v in zip(gradient, vectors, strict=True)
                ]
            )
        return _gradient_of(outer, along, values)

    _gradient_hvp = _hvp

    def _squares(self, temperature, values, vectors, batch, scale):
        del vectors
        total = examples.count(keras.tree.flatten(batch)[0])

        def add_example(place, sums):
            one = keras.tree.map_structure(
                lambda a: a[place : place + 1], batch
            )
            gradient = self._gradient(temperature, values, [], one, scale)
            return place + 1, [
                s + tf.square(g) for s, g in zip(sums, gradient, strict=True)
            ]

        _, sums = tf.while_loop(
            lambda place, sums: place < total,
            add_example,
            (0, [tf.zeros_like(v) for v in values]),
            parallel_iterations=1,  # One backward pass in memory at a time.
        )
        return [s / tf.cast(total, s.dtype) for s in sums]

    def _hessian(self, temperature, values, vectors, batch, scale):
        del vectors
        with tf.GradientTape(persistent=True) as outer:
            outer.watch(values)
            gradient = self._gradient(temperature, values, [], batch, scale)
            flat = tf.concat([tf.reshape(g, [-1]) for g in gradient], 0)
        rows = outer.jacobian(
            flat,
            values,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
            parallel_iterations=1,
            experimental_use_pfor=False,
        )
        return [tf.reshape(r, [tf.size(flat), -1]) for r in rows]

    def _loss(self, values, batch, temperature, scale):
        x, y, *sample_weight = batch
        given = self._variables[: len(values)]
        mapping = list(zip(given, values, strict=True))
        # Callers mask the weights themselves, or pass them dense on purpose.
        mapping += [(m, tf.ones(m.shape, tf.bool)) for m in self._masks]
        with (
            exact_moments.scoring(self._batch_statistics, updates=False),
            keras_internals.stateless(
                self._network, mapping, collect_losses=self._added_losses
            ) as scope,
        ):
            outputs = self._network(x, training=self._dropout)
            outputs = keras.tree.map_structure(at_least_float32, outputs)
            value = self._loss_function(y, outputs, temperature, *sample_weight)
            for added in scope.losses if self._added_losses else ():
                value += tf.cast(added, value.dtype)
        return value * tf.cast(scale, value.dtype)


def at_least_float32(value):
    """Casts a tensor of half precision to float32; returns others as is."""
    return tf.cast(value, tf.float32) if value.dtype.size < 4 else value


def _gradient_of(tape, loss, values):
    """Returns dense gradients, zero where the loss is independent."""
    return [
        tf.convert_to_tensor(g)
        for g in tape.gradient(
            loss, values, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
    ]


def _on_tensors(compute, values, vectors, batch, scale):
    """Computes eagerly on a batch converted to tensors, as a trace does."""
    batch = keras.tree.map_structure(_as_tensor, batch)
    return compute(values, vectors, batch, scale)


def _as_tensor(array):
    return array if examples.is_ragged(array) else tf.convert_to_tensor(array)
