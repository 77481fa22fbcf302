"""Ways to score that the benchmark measures, by name, and their scale.

The scale is the stock gradient: what a training step takes of the same network
on the same batch, by plain Keras and TensorFlow.
"""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

import kprune
from kprune.runtime import lookup, memory

SPARSITY = 0.95  # Of methods that score and select by turns.
GRADIENT = "gradient"


def _scores(method, **options):
    """Returns a function that takes a criterion's scores once."""
    criterion = kprune.criteria.get(method, **options)
    return lambda o: criterion(o, o.weights, o.masks)


def _all_rounds(method):
    """Returns a function that finds a method's masks, selection included."""
    return lambda o: kprune.recipes.get(method).masks(o, SPARSITY)


# Functions of an objective on one batch. A method that takes fresh batches
# takes this one again, which costs the same.
SCORINGS = {
    "snip": _scores("snip"),
    "grasp": _scores("grasp"),
    "force": _all_rounds("force"),
    "flow": lambda o: o.flow_scores(o.weights, o.masks),
    "synflow": _all_rounds("synflow"),
    "prospr_1": _scores("prospr", inner_steps=1),
    "prospr_3": _scores("prospr", inner_steps=3),
    "prospr_3_unrolled": _scores("prospr", inner_steps=3, unrolled=True),
    "prospr_16": _scores("prospr", inner_steps=16),
}


# By the names of the papers, as kprune.models has shallower ones.
_DEPTHS = {"resnet110": ("resnet_cifar", {"depth": 110})}


def setting(network, batch_size):
    """Returns a network, one batch of noise that fits it, and a loss."""
    network, options = _DEPTHS.get(network, (network, {}))
    model = kprune.models.get(network, classes=10, **options)
    rng = np.random.default_rng(0)
    shape = (batch_size, *model.input_shape[1:])
    x = tf.constant(rng.normal(size=shape), tf.float32)
    y = tf.constant(rng.integers(0, 10, batch_size))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return model, x, y, loss


def objective_on(model, x, y, loss):
    """Returns the objective whose only batch is the one given."""
    scoring = kprune.ScoringConfig(batches=1, batch_size=len(x))
    return kprune.Objective(model, (x, y), loss, scoring)


def stock_gradient(model, x, y, loss):
    """Returns a traced function: the gradient as a training step takes it."""

    @tf.function
    def gradient():
        with tf.GradientTape() as tape:
            value = loss(y, model(x, training=True))
        return tape.gradient(value, model.trainable_variables)

    return gradient


def memory_of(name, network, batch_size):
    """Runs one scoring, or the gradient, in a process that has done nothing
    else, and returns the most bytes that it held before it and in all."""
    lookup.choose(name, {GRADIENT: None, **SCORINGS}, "scoring")
    given = setting(network, batch_size)
    if name == GRADIENT:
        before = memory.peak()
        stock_gradient(*given)()
    else:
        objective = objective_on(*given)
        before = memory.peak()
        SCORINGS[name](objective)
    # The kernel adds up what its threads count only now and then.
    return before, max(before, memory.peak())


class TracedCalls(keras.layers.Layer):
    """Hands its inputs on and counts how often it is traced, copies of it in
    copies of the model included."""

    count = 0

    def call(self, inputs):
        if not tf.executing_eagerly():
            TracedCalls.count += 1
        return inputs


def traces_by_round(method, network, batch_size):
    """Returns how often the network has been traced after each round of a
    method that has several."""
    model, x, y, loss = setting(network, batch_size)
    model = keras.Model(model.input, TracedCalls()(model.output))
    pruner = kprune.recipes.get(method)
    criterion = kprune.criteria.get(pruner.criterion)
    before, counts = TracedCalls.count, []

    def counted(objective, weights, masks):
        scores = criterion(objective, weights, masks)
        counts.append(TracedCalls.count - before)
        return scores

    pruner = dataclasses.replace(pruner, criterion=counted)
    pruner.masks(objective_on(model, x, y, loss), SPARSITY)
    return counts
