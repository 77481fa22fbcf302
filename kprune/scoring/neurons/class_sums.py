"""Sums the outputs of the last hidden neurons by class.

One forward pass, batch by batch: what all neurons put out on all examples is
never held at once.
"""

import dataclasses
import functools

import keras
import numpy as np
import tensorflow as tf

from kprune.masking import masks as masking
from kprune.masking import precision
from kprune.masking import weights as names
from kprune.runtime import distribution, keras_internals
from kprune.scoring.neurons import stack


@dataclasses.dataclass(frozen=True, eq=False)
class ClassSums:
    """Sums of activations by class, and the weights that read them.

    `sums` is a float64 array (K, d): of K classes, the sum over the examples of
    each class of what each of d neurons puts out. `kernel` (d, K) is the output
    layer's, `name` its name.
    """

    name: str
    sums: np.ndarray
    kernel: np.ndarray

    def scores(self):
        """Returns OSSuM's class-wise scores, float64 (d, K).

        s(j, c) = A[c, j] (K w[j, c] - sum_k w[j, k])
        """
        classes = self.kernel.shape[1]
        total = self.kernel.sum(axis=1, keepdims=True)
        return self.sums.T * (classes * self.kernel - total)


def class_sums(objective, weights, masks):
    """Sums what the output layer is given over the examples of each class.

    The network runs as in inference, with the weights given where the masks
    are True. Sample weights multiply their examples. Under a `tf.distribute`
    strategy each replica takes its share of each batch.

    Raises:
        ValueError: If the network has no dense output layer over several
            classes, it is left out of the pruning, or labels do not fit.
    """
    read = stack.output_layer(objective.model)
    if read.name not in weights:
        raise ValueError(
            f"OSSuM scores neurons by what reads them, {read.name!r}. Expected "
            "it among the weights to prune: leave it out of `exclude`, and "
            "trainable."
        )
    weights = masking.apply(masks, weights)
    add = _traced(objective, list(weights))
    sums = np.zeros((read.layer.units, read.layer.kernel.shape[0]))
    batches = objective.batches
    objective.progress.begin_pass(len(batches))
    for x, y, *sample_weight in batches:
        shares = one_hot(y, read.layer.units)
        if sample_weight:
            shares = shares * np.reshape(sample_weight[0], (-1, 1))
        (mean,) = add(list(weights.values()), (x, shares))
        sums += len(shares) * mean.numpy()
        objective.progress.batch_done()
    kernel = np.asarray(weights[read.name], np.float64)
    return ClassSums(read.name, sums, kernel)


def one_hot(labels, classes):
    """Returns labels, class numbers or one-hot, as a float64 (n, classes).

    Raises:
        ValueError: If they are neither.
    """
    labels = np.asarray(labels) if not keras.tree.is_nested(labels) else None
    shape = np.shape(labels)
    if shape[1:] == (classes,):
        return labels.astype(np.float64)
    if labels is None or shape[1:] not in ((), (1,)):
        raise ValueError(
            "OSSuM needs to know the class of each example. Expected class "
            f"numbers, or one-hot labels of shape (n, {classes}). Received: "
            + ("several labels" if labels is None else f"shape {shape}")
        )
    labels = labels.reshape(len(labels))
    if not np.isin(labels, np.arange(classes)).all():
        raise ValueError(
            f"Expected class numbers from 0 to {classes - 1}. Received: values "
            f"from {labels.min()} to {labels.max()}"
        )
    return np.eye(classes)[labels.astype(int)]


def _traced(objective, order):
    """Returns the compiled function of (weights, batch) to the means over a
    batch, a list of one float64 (K, d)."""
    model, twin_of = objective.model, lambda variable: variable
    found = names.prunable(model)
    variables = [found[name].variable for name in order]
    switches = [found[n].mask for n in order if found[n].mask is not None]
    dtype = _dtype_of_copy(objective)
    if dtype is not None:
        model, twin_of = precision.copy_in(model, dtype)
        variables, switches = [twin_of(v) for v in variables], []
    features = stack.output_layer(model).features

    def mean(values, batch):
        x, shares = batch
        mapping = list(zip(variables, values, strict=True))
        # The weights come masked.
        mapping += [(m, tf.ones(m.shape, tf.bool)) for m in switches]
        with keras.StatelessScope(mapping):
            hidden = tf.cast(features(x, training=False), tf.float64)
        total = tf.matmul(shares, hidden, transpose_a=True)
        return [total / tf.cast(tf.shape(shares)[0], tf.float64)]

    compute = mean
    strategy = objective.strategy
    if distribution.replicas(strategy) > 1:

        def compute(values, batch):
            with distribution.scope(strategy):
                return distribution.mean_over_shares(
                    strategy, lambda part: mean(values, part), batch
                )

    return tf.function(
        functools.partial(compute), autograph=False, reduce_retracing=True
    )


def _dtype_of_copy(objective):
    """Returns what a copy of the network is to compute in, if one is."""
    computes_in = {
        layer.compute_dtype
        for layer in keras_internals.all_layers(objective.model)
    }
    asked = objective.scoring.precision
    if asked == "float64":
        return None if computes_in == {"float64"} else "float64"
    half = computes_in & {"float16", "bfloat16"}
    return "float32" if half and asked != "policy" else None
