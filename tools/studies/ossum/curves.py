"""Test accuracy over neurons kept, of two-layer networks: one pass for all.

Each method orders the neurons once. What the output layer would be for each
number of neurons kept is a matrix, and all of them are multiplied with the
same activations.
"""

import keras
import numpy as np
import tensorflow as tf

import kprune
from kprune import learned
from kprune.pruning.neurons.coreset import draw, sensitivities
from kprune.runtime import seeds
from kprune.scoring import neurons

_LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
_BATCH = 500
_CRITERIA = ("ossum", "linear_ossum", "log_ossum")


def curves(model, experiment, seed, data):
    """Returns the test accuracy in percent of each method at each number of
    neurons, lists by method.

    `experiment` is a dict with `kept`, the numbers of neurons, `methods`,
    `supermask`, options of `kprune.learned.learned_gates`, and `spread`, a
    power of its inputs' number that each kernel is multiplied by, if any.
    """
    train, (x_test, y_test) = data
    if "spread" in experiment:
        _widen(model, experiment["spread"])
    made, read = neurons.hidden_layers(model)
    kernel = read.layer.kernel.numpy()
    kept, readouts = experiment["kept"], {}
    methods = list(experiment["methods"])
    scored = [method for method in methods if method in _CRITERIA]
    for method, scores in _scores(model, train, scored, seed).items():
        readouts[method] = _ordered(scores, kernel, kept)
    for method in set(methods) - set(scored):
        if method == "coreset":
            readouts[method] = _sampled(made, read, train[0], kept, seed)
            continue
        if method == "supermask":
            options = experiment["supermask"]
            gates = learned.learned_gates(
                model, train, _LOSS, seed=seed, **options
            )
            scores = gates[made.name]
        elif method == "neuron_norm":
            weights = np.asarray(made.layer.kernel.value)
            scores = np.einsum("ij,ij->j", weights, weights)
        elif method == "neuron_random":
            scores = seeds.stream(seed, "random").random(len(kernel))
        else:
            raise ValueError(f"No curve of method {method!r} is known.")
        readouts[method] = _ordered(scores, kernel, kept)
    stacked = np.concatenate([readouts[m] for m in methods], axis=1)
    right = _right(read, stacked, x_test, y_test)
    shares = 100 * right.reshape(len(methods), len(kept))
    return {method: shares[row].tolist() for row, method in enumerate(methods)}


def _widen(model, power):
    for layer in model.layers:
        if layer.weights:
            inputs = layer.kernel.shape[0]
            layer.kernel.assign(layer.kernel * inputs**power)


def _scores(model, data, methods, seed):
    """Returns the scores of OSSuM and its kin, of one pass over the data."""
    if not methods:
        return {}
    objective = kprune.Objective(model, data, _LOSS, seed=seed)
    sums = neurons.class_sums(objective, objective.weights, objective.masks)
    plain, alive = sums.scores(), np.ones(len(sums.kernel), bool)
    found = {}
    for method in methods:
        scores = plain
        if method != "ossum":
            rng = seeds.stream(seed, method)
            logarithms = method == "log_ossum"
            scores = neurons.rank_scores(plain, alive, rng, logarithms)
        found[method] = scores.sum(axis=1)
    return found


def _ordered(scores, kernel, kept):
    """Returns the output kernels of the best neurons, side by side."""
    place = np.empty(len(scores), np.int64)
    place[np.argsort(-scores, kind="stable")] = np.arange(len(scores))
    parts = [np.where(place[:, None] < size, kernel, 0) for size in kept]
    return np.concatenate(parts, axis=1)


def _sampled(made, read, x, kept, seed):
    """Returns the output kernels of coresets, reweighted, side by side."""
    largest = np.square(x, dtype=np.float64).reshape(len(x), -1).sum(1).max()
    beta = np.sqrt(largest + made.layer.use_bias)
    chances = sensitivities(made, read, beta)
    kernel, parts = read.layer.kernel.numpy(), []
    for size in kept:
        weights = np.ones(len(kernel))
        if size < len(kernel):
            rng = seeds.stream(seed, "coreset", size)
            weights = draw(chances, size, rng).weights(chances)
        parts.append(kernel * weights[:, None].astype(np.float32))
    return np.concatenate(parts, axis=1)


def _right(read, stacked, x, y):
    """Returns the accuracy of each output kernel of several side by side."""
    stacked = tf.constant(stacked)
    bias = read.layer.bias.numpy()

    def logits(batch):
        hidden = read.features(batch, training=False)
        shape = [tf.shape(batch)[0], -1, len(bias)]
        return tf.reshape(hidden @ stacked, shape) + bias

    traced = tf.function(logits, autograph=False, reduce_retracing=True)
    right = 0
    for start in range(0, len(x), _BATCH):
        part = slice(start, start + _BATCH)
        found = np.argmax(traced(tf.constant(x[part])), axis=-1)
        right = right + (found == y[part, None]).sum(axis=0)
    return right / len(x)
