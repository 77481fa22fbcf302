"""Dense gradients on the coming batch."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import CE, examples, sequential

import kprune
from kprune.callbacks.dynamic.gradients import DenseGradients

X, Y = examples(12, 6)
WEIGHT = np.random.default_rng(1).random(12).astype("float32")


def network(**options):
    regularizer = keras.regularizers.L2(0.1)
    model = sequential(
        (6,),
        keras.layers.Dense(
            8, kernel_regularizer=regularizer, name="a", **options
        ),
        keras.layers.BatchNormalization(name="bn"),
        keras.layers.ReLU(),
        keras.layers.Dense(3, name="b", **options),
        seed=0,
    )
    return kprune.prune(model, "random", 0.5, allocation="uniform")


def values(model):
    found = kprune.masking.weights.prunable(model)
    return {n: w.variable.numpy().astype("float32") for n, w in found.items()}


def expected(model, x, y, weight=None):
    """The gradient by a tape, through a plain copy with the zeros in place."""
    plain = kprune.strip(model)
    kernels = [plain.get_layer(n).kernel.value for n in "ab"]
    with tf.GradientTape() as tape:
        tape.watch(kernels)
        loss = CE(y, plain(x, training=True), weight)
    names = ["a/kernel", "b/kernel"]
    found = tape.gradient(loss, kernels)
    return {n: g.numpy() for n, g in zip(names, found, strict=True)}


@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_the_gradient_of_the_loss_alone(weighted):
    model = network()
    model.compile("sgd", CE)
    weight = (WEIGHT,) if weighted else ()
    before = [v.numpy() for v in model.variables]
    gradients = DenseGradients(model, ["a/kernel", "b/kernel"])
    for part in (slice(0, 8), slice(4, 12)):
        batch = tuple(tf.constant(a[part]) for a in (X, Y, *weight))
        found = gradients(values(model), batch)
        for name, gradient in expected(model, *batch).items():
            np.testing.assert_allclose(found[name], gradient, atol=1e-6)
            mask = kprune.get_masks(model)[name]
            assert np.abs(found[name][~mask]).max() > 0.01
    for value, v in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(v.numpy(), value)


def test_half_precision_is_scaled():
    model = network(dtype="mixed_float16")
    found = []
    for loss in (CE, lambda y, z: 1e-6 * CE(y, z)):
        model.compile("sgd", loss)
        gradients = DenseGradients(model, ["a/kernel"])
        batch = tf.constant(X), tf.constant(Y)
        found.append(gradients(values(model), batch)["a/kernel"])
    scale = np.abs(found[0]).max()
    np.testing.assert_allclose(found[1] * 1e6, found[0], atol=0.02 * scale)


def test_it_needs_labels_and_a_loss():
    model = network()
    model.compile("sgd", CE)
    gradients = DenseGradients(model, ["a/kernel"])
    with pytest.raises(ValueError, match=r"batches .x, y."):
        gradients(values(model), (tf.constant(X),))
    model = network()
    model.compile("sgd")
    with pytest.raises(ValueError, match="compiled loss"):
        DenseGradients(model, ["a/kernel"])
