"""Derivatives that are traced, and those that are run as they stand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kprune
from kprune.runtime.progress import Progress
from kprune.scoring import tracing
from tests.support import networks
from tests.support.networks import CE

DATA = networks.examples(16, 6, 6, 2)
# Those that have a norm for dense networks take the same derivatives.
# What removes whole blocks takes none, and needs a network of some.
METHODS = [
    name
    for name in kprune.methods("prune")
    if "_norm" not in name and name != "block_influence"
]


def found(method, compiled):
    """Returns a method's scores and masks."""
    how = {"data": DATA, "loss": CE, "scoring": {"compiled": compiled}}
    model = networks.conv_net(shape=(6, 6, 2), filters=2, units=3)
    if method in (
        "obs",
        "optimal_brain_surgeon",
    ):  # The inverse of the Hessian magnifies rounding.
        how["scoring"]["precision"] = "float64"
    grain = {}
    if kprune.methods()[method].channels_only:
        grain = {"granularity": "channel"}
    scores = kprune.score(model, method, **how)
    options = {"on_collapse": "ignore", "rounds": 2, "verbose": 0, **grain}
    pruned = kprune.prune(model, method, 0.5, **how, **options)
    return scores, kprune.get_masks(pruned)


@pytest.mark.parametrize("method", METHODS)
def test_eager_and_traced_give_the_same_scores_and_masks(method):
    scores, masks = found(method, compiled=False)
    traced_scores, traced_masks = found(method, compiled=True)
    largest = max(np.abs(array).max() for array in scores.values())
    for name, array in scores.items():
        error = np.abs(array - traced_scores[name]).max()
        assert error <= 1e-6 * largest, name
    for name, mask in masks.items():
        np.testing.assert_array_equal(mask, traced_masks[name])


def test_squares_of_examples_are_the_same_without_a_trace():
    model, found = networks.dense_net(), []
    for compiled in (False, True):
        scoring = {"batch_norm": "eval", "compiled": compiled}
        how = {"data": networks.examples(16, 8), "loss": CE}
        options = {"curvature": "fisher", "scoring": scoring}
        found.append(kprune.score(model, "obd", **how, **options))
    for name, scores in found[0].items():
        largest = np.abs(scores).max()
        np.testing.assert_allclose(
            scores, found[1][name], rtol=0, atol=1e-6 * largest
        )


def counted(model):
    """Returns a list that grows with each call of a model in a trace."""
    traced, call = [], model.call

    def counting(*args, **kwargs):
        if not tf.executing_eagerly():
            traced.append(1)
        return call(*args, **kwargs)

    model.call = counting
    return traced


@pytest.mark.parametrize(
    "method, scoring, is_traced",
    [
        ("snip", {}, False),
        ("grasp", {}, False),
        ("snip", {"batch_size": 2, "reduce": "mean_of_abs"}, True),
        ("force", {}, True),
        ("prospr", {}, False),
        ("snip", {"compiled": True}, True),
        ("force", {"compiled": False}, False),
        ("obd", {"batch_norm": "eval"}, True),
    ],
)
def test_what_is_evaluated_often_is_traced(method, scoring, is_traced):
    options = {"curvature": "fisher"} if method == "obd" else {}
    model = networks.dense_net()
    data = networks.examples(16, 8)
    traced = counted(model)
    how = {"data": data, "loss": CE, "scoring": scoring, "verbose": 0}
    kprune.prune(model, method, 0.5, **how, **options)
    assert bool(traced) == is_traced


def test_an_objective_of_ones_own_is_traced_unless_it_is_watched():
    model, data = networks.dense_net(), networks.examples(16, 8)
    objective = kprune.Objective(model, data, CE)
    traced = counted(model)
    objective.watched(Progress()).gradient(objective.weights)
    assert not traced
    objective.gradient(objective.weights)
    assert traced


def test_what_loops_over_steps_is_traced():
    assert not tracing.has_loops(networks.dense_net())
    layers = [keras.layers.Bidirectional(keras.layers.LSTM(3))]
    assert tracing.has_loops(networks.sequential((4, 2), *layers))


def test_batches_of_several_shapes_are_traced_by_themselves():
    layers = [
        keras.layers.GlobalAveragePooling1D(),
        keras.layers.Dense(3, name="dense"),
    ]
    model = networks.sequential((None, 4), *layers, seed=0)
    parts = [networks.examples(4, n, 4, seed=n) for n in (3, 5)]
    gradients = []
    for data in (parts, *([part] for part in parts)):
        objective = kprune.Objective(model, data, CE)
        gradient = objective.gradient(objective.weights)
        gradients.append(np.asarray(gradient["dense/kernel"]))
    both, *each = gradients
    np.testing.assert_allclose(both, np.mean(each, axis=0), rtol=1e-5)
