"""The training loss as a pure function of the prunable weights.

Every criterion that looks at data is a few lines over two functions of it,
`gradient` and `hvp`. What is hard about them is settled here once: reading
data, the mode of batch normalization, float16, several batches, tracing once.
"""

import functools

import keras
import numpy as np
import tensorflow as tf

from kprune import (
    flow,
    keras_internals,
    losses,
    normalization,
    scoring_data,
    seeds,
    weights,
)
from kprune.batches import size


class Objective:
    """The loss of a model on the scoring batches, as a function of weights.

    Nothing of the model changes: no variable, statistic, optimizer slot or
    random state. Regularization losses are no part of the loss.

    Args:
        model: A built Keras model, wrapped or not. Masks it has are reported
            in `masks` and do not enter the functions: they compute with the
            weights they are given.
        data: What `fit` takes: a `tf.data.Dataset`, arrays `(x, y)` or
            `(x, y, sample_weight)`, a `keras.utils.PyDataset` or a generator
            of batches. `None` makes a synthetic batch, with a warning.
        loss: As `compile` takes it. Defaults to the compiled loss, else to
            the cross-entropy that fits the outputs, with a warning.
        batches: How many batches to read. Defaults to all that `data` has.
        batch_size: Size to cut arrays into. Defaults to 128.
        batch_norm: `"train"` normalizes with each batch's own statistics, as
            the papers do, `"eval"` with the moving ones.
        dropout: Whether dropout is on. Defaults to `False`.
        seed: Integer >= 0, for synthetic data and random scores.
        exclude: Names of prunable weights to leave out.

    Attributes:
        weights: Dict from name to the values of each prunable weight, float32
            or wider.
        masks: Dict from name to the current mask, boolean.
        layouts: Dict from name to `kprune.layouts.Layout`.
    """

    def __init__(
        self,
        model,
        data=None,
        loss=None,
        *,
        batches=None,
        batch_size=None,
        batch_norm="train",
        dropout=False,
        seed=0,
        exclude=(),
    ):
        if batch_norm not in ("train", "eval"):
            raise ValueError(
                "Invalid value for argument `batch_norm`. Expected 'train' or "
                f"'eval'. Received: batch_norm={batch_norm!r}"
            )
        seeds.check(seed)
        self.model = model
        self.seed = seed
        self._data = data
        self._loss_argument = loss
        self._reading = {
            "batches": batches,
            "batch_size": batch_size,
            "seed": seed,
        }
        self._batch_statistics = batch_norm == "train"
        self._dropout = dropout
        self._compiled = {}
        found = {
            name: w
            for name, w in weights.prunable(model).items()
            if name not in exclude
        }
        self.layouts = {name: w.layout for name, w in found.items()}
        self._variables = {name: w.variable for name, w in found.items()}
        self._mask_variables = [
            w.mask for w in weights.find(model) if w.mask is not None
        ]
        self.weights = {n: _values(w.variable) for n, w in found.items()}
        self.masks = {
            name: np.ones(w.layout.shape, bool)
            if w.mask is None
            else keras.ops.convert_to_numpy(w.mask)
            for name, w in found.items()
        }
        self._check_finite(self.weights, "weights")

    def gradient(self, weights, temperature=1.0):
        """Returns the mean gradient of the loss over the scoring batches.

        Args:
            weights: Dict of tensors by name, all prunable weights.
            temperature: Logits are divided by it before the loss.

        Returns:
            Dict of tensors by name, d loss / d weight at `weights`, dense
            also where a mask is False.
        """
        return self._mean("gradient", weights, None, temperature)

    def hvp(self, weights, vector=None, temperature=1.0):
        """Returns the mean Hessian-vector product over the same batches.

        Args:
            weights: Dict of tensors by name, the point.
            vector: Dict of tensors by name, the direction. Defaults to the
                mean gradient at the point, which on one batch comes for free.
            temperature: Logits are divided by it before the loss.

        Returns:
            Dict of tensors by name, H v at `weights`.
        """
        if vector is None:
            if len(self.batches) == 1 and not self._half:
                return self._mean("gradient_hvp", weights, None, temperature)
            vector = self.gradient(weights, temperature)
        norm = float(tf.linalg.global_norm(list(vector.values())))
        if norm == 0 or not self._half:
            return self._mean("hvp", weights, vector, temperature)
        # In float16 a small direction would underflow. H v is linear in v.
        unit = {name: v / norm for name, v in vector.items()}
        product = self._mean("hvp", weights, unit, temperature)
        return {name: norm * p for name, p in product.items()}

    def flow_scores(self, weights, masks):
        """Returns SynFlow's scores, which need no data.

        See `kprune.flow.Flow.scores`.
        """
        return self._flow.scores(weights, masks)

    @property
    def batches(self):
        """The scoring batches, a list of (x, y, sample_weight)."""
        return self._scoring.batches

    @property
    def loss(self):
        """The loss that scores are taken of, as `compile` takes it."""
        return self._scoring.loss

    @functools.cached_property
    def _flow(self):
        return flow.Flow(self.model, self._variables)

    @functools.cached_property
    def _half(self):
        return any(
            layer.compute_dtype == "float16"
            for layer in keras_internals.all_layers(self.model)
        )

    @functools.cached_property
    def _scoring(self):
        # Read when the first criterion needs it: magnitude needs no data.
        return scoring_data.read(
            self.model, self._data, self._loss_argument, **self._reading
        )

    def _mean(self, kind, weights, vector, temperature):
        names = list(self._variables)
        missing = set(names) ^ set(weights)
        if missing:
            raise ValueError(
                "Expected `weights` to have exactly the prunable weights. "
                f"Missing or unknown: {sorted(missing)}"
            )
        values = [tf.convert_to_tensor(weights[name]) for name in names]
        vectors = (
            [tf.convert_to_tensor(vector[n]) for n in names] if vector else []
        )
        total = sum(size(batch) for batch in self.batches)
        mean = None
        for batch in self.batches:
            share = size(batch) / total
            part = self._one_batch(kind, values, vectors, batch, temperature)
            if len(self.batches) > 1:
                part = [share * p for p in part]
            mean = (
                part
                if mean is None
                else [a + b for a, b in zip(mean, part, strict=True)]
            )
        result = dict(zip(names, mean, strict=True))
        self._check_finite(result, "gradients")
        return result

    def _one_batch(self, kind, values, vectors, batch, temperature):
        compute = self._function(kind, temperature)
        if not self._half:
            return compute(values, vectors, batch, 1.0)
        # Dynamic loss scaling: the largest power of two that stays finite.
        for exponent in range(24, -8, -2):
            scale = 2.0**exponent
            part = compute(values, vectors, batch, scale)
            if all(np.isfinite(p.numpy()).all() for p in part):
                return [p / scale for p in part]
        return part

    def _function(self, kind, temperature):
        """Returns the traced function of one batch, tracing it only once."""
        key = (kind, temperature)
        if key not in self._compiled:
            values = [
                tf.TensorSpec.from_tensor(v) for v in self.weights.values()
            ]
            self._compiled[key] = tf.function(
                functools.partial(getattr(self, f"_{kind}"), temperature),
                input_signature=[
                    values,
                    values if kind == "hvp" else [],
                    _batch_spec(self.batches[0]),
                    tf.TensorSpec([], tf.float32),
                ],
                autograph=False,
            )
        return self._compiled[key]

    def _gradient(self, temperature, values, vectors, batch, scale):
        del vectors
        with tf.GradientTape() as tape:
            tape.watch(values)
            loss = self._loss(values, batch, temperature, scale)
        return _gradient_of(tape, loss, values)

    def _hvp(self, temperature, values, vectors, batch, scale):
        with tf.GradientTape() as outer:
            outer.watch(values)
            with tf.GradientTape() as inner:
                inner.watch(values)
                loss = self._loss(values, batch, temperature, scale)
            gradient = _gradient_of(inner, loss, values)
            # Without a direction, along the gradient as a constant.
            vectors = vectors or [tf.stop_gradient(g) for g in gradient]
            along = tf.add_n(
                [
                    tf.reduce_sum(g * v)
                    for g, v in zip(gradient, vectors, strict=True)
                ]
            )
        return _gradient_of(outer, along, values)

    _gradient_hvp = _hvp

    def _loss(self, values, batch, temperature, scale):
        x, y, *sample_weight = batch
        variables = self._variables.values()
        mapping = list(zip(variables, values, strict=True))
        # The weights come masked, or dense where the method wants it so.
        mapping += [
            (m, tf.ones(m.shape, tf.bool)) for m in self._mask_variables
        ]
        with (
            normalization.scoring(self._batch_statistics),
            keras.StatelessScope(mapping),
        ):
            outputs = self.model(x, training=self._dropout)
            outputs = keras.tree.map_structure(_at_least_float32, outputs)
            outputs = losses.soften(self.loss, outputs, temperature)
            value = self._scoring.function(y, outputs, *sample_weight)
        return value * tf.cast(scale, value.dtype)

    def _check_finite(self, values, what):
        for name, value in values.items():
            if not np.isfinite(np.asarray(value)).all():
                raise ValueError(
                    f"The {what} of {name!r} hold NaN or infinite values. "
                    "Expected finite numbers: check the weights, the data "
                    "and the loss."
                )


def _gradient_of(tape, loss, values):
    """Gradient as dense tensors, zero where the loss does not depend on it."""
    return [
        tf.convert_to_tensor(g)
        for g in tape.gradient(
            loss, values, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
    ]


def _values(variable):
    value = tf.convert_to_tensor(variable.value)
    return _at_least_float32(value)


def _at_least_float32(value):
    return tf.cast(value, tf.float32) if value.dtype.size < 4 else value


def _batch_spec(batch):
    """The signature of all batches: sizes vary in the first axis only."""
    return keras.tree.map_structure(
        lambda a: tf.TensorSpec([None, *np.shape(a)[1:]], a.dtype), batch
    )
