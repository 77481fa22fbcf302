"""Second derivatives through normalization layers: ours and stock Keras'."""

import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import examples, sequential
from tensorflow.python.framework import ops

from kprune.scoring import exact_moments, image_norm
from kprune.scoring.objective import Objective

LAYERS = {
    "batch": lambda: keras.layers.BatchNormalization(epsilon=1e-3),
    "layer": lambda: keras.layers.LayerNormalization(epsilon=1e-3),
    "group": lambda: keras.layers.GroupNormalization(groups=2, epsilon=1e-3),
}


def loss():
    """Not the shared one, which was made when Keras was told float32."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def smooth_model(kind):
    """A network without kinks, for finite differences."""
    normal = keras.initializers.RandomNormal(stddev=0.7, seed=3)
    first, last = (
        keras.layers.Dense(units, kernel_initializer=normal) for units in (8, 3)
    )
    smooth = keras.layers.Activation("tanh")
    return sequential((6,), first, LAYERS[kind](), smooth, last)


def relative(one, other):
    largest = max(np.abs(np.asarray(v)).max() for v in other.values())
    return max(
        np.abs(np.asarray(one[n]) - np.asarray(other[n])).max() / largest
        for n in other
    )


def finite_difference(gradient, weights, vector, step=1e-4):
    """(g(w + h v) - g(w - h v)) / 2h, which is H v to order h^2."""
    up = gradient({n: w + step * vector[n] for n, w in weights.items()})
    down = gradient({n: w - step * vector[n] for n, w in weights.items()})
    return {n: (up[n] - down[n]) / (2 * step) for n in weights}


def stock(model, x, y, vector):
    """The gradient, and the product with the Hessian of plain nested tapes."""
    variables = [w for w in model.trainable_variables if w.name == "kernel"]
    kernels = [v.value for v in variables]
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            value = loss()(y, model(x, training=True))
        gradient = inner.gradient(value, kernels)
        pairs = zip(gradient, vector.values(), strict=True)
        along = sum(tf.reduce_sum(g * v) for g, v in pairs)
    product = outer.gradient(along, kernels)
    return (dict(zip(vector, d, strict=True)) for d in (gradient, product))


@pytest.mark.parametrize("kind", LAYERS)
def test_derivatives_are_exact_where_those_of_stock_keras_are_not(
    float64, kind
):
    model, (x, y) = smooth_model(kind), examples(16, 6)
    objective = Objective(model, (x, y), loss())
    weights = objective.weights
    rng = np.random.default_rng(1)
    vector = {
        n: tf.constant(rng.normal(size=w.shape)) for n, w in weights.items()
    }
    expected = finite_difference(objective.gradient, weights, vector)
    gradient, product = stock(model, x, y, vector)
    assert relative(objective.hvp(weights, vector), expected) < 1e-6
    # Measured: 2, 3 and 6 % of the largest entry.
    assert relative(product, expected) > 1e-2
    # First derivatives are those of stock Keras.
    assert relative(objective.gradient(weights), gradient) < 1e-12


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(
    "options", [{}, {"scale": False}, {"center": False}, {"axis": 1}]
)
def test_derivatives_of_images_are_those_in_float64(options, compiled):
    layers = [
        keras.layers.Conv2D(4, 3, padding="same"),
        keras.layers.BatchNormalization(**options),
        keras.layers.Activation("tanh"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(3),
    ]
    model = sequential((6, 6, 2), *layers, seed=0)
    norm = model.layers[1]
    for place, variable in enumerate(norm.trainable_variables):
        rng = np.random.default_rng(place)
        variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    before = [np.asarray(v) for v in norm.variables]
    found = []
    for precision in ("float32", "float64"):
        scoring = {"precision": precision, "compiled": compiled}
        objective = Objective(
            model, examples(16, 6, 6, 2), loss(), scoring=scoring
        )
        point = {**objective.weights, **objective.others}
        found.append((objective.gradient(point), objective.hvp(point)))
    for one, other in zip(*found, strict=True):
        assert relative(one, other) < 2e-6
    for variable, value in zip(norm.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_tracing_fused_operations_leaves_no_gradient_registered():
    layers = [
        keras.layers.Conv2D(4, 3),
        keras.layers.BatchNormalization(),
        keras.layers.Flatten(),
        keras.layers.Dense(3),
    ]
    model = sequential((6, 6, 2), *layers, seed=0)
    data, scoring = examples(8, 6, 6, 2), {"compiled": True}
    objective = Objective(model, data, loss(), scoring=scoring)
    before = set(ops.gradient_registry._registry)
    objective.hvp({**objective.weights, **objective.others})
    assert set(ops.gradient_registry._registry) == before


class OwnNorm(keras.layers.BatchNormalization):
    """May compute otherwise."""


@pytest.mark.parametrize(
    "layer, shape, fits",
    [
        (keras.layers.BatchNormalization(), (2, 3, 3, 4), True),
        (keras.layers.BatchNormalization(trainable=False), (2, 3, 3, 4), False),
        (keras.layers.BatchNormalization(axis=1), (2, 3, 3, 4), False),
        (keras.layers.BatchNormalization(synchronized=True), (2, 3, 3, 4), 0),
        (keras.layers.BatchNormalization(dtype="float64"), (2, 3, 3, 4), 0),
        (keras.layers.BatchNormalization(), (2, 4), False),
        (OwnNorm(), (2, 3, 3, 4), False),
    ],
)
def test_only_plain_layers_of_images_are_fused(layer, shape, fits):
    assert image_norm.fits(layer, tf.zeros(shape)) == bool(fits)


def test_the_patches_are_taken_off_after_the_last_user():
    moments, call = tf.nn.moments, keras.layers.BatchNormalization.call
    with exact_moments.scoring(True):
        assert tf.nn.moments is not moments
        with exact_moments.scoring(False):
            pass
        assert tf.nn.moments is not moments
    assert tf.nn.moments is moments
    assert keras.layers.BatchNormalization.call is call
    with pytest.raises(RuntimeError), exact_moments.scoring(True):
        raise RuntimeError
    assert tf.nn.moments is moments


def test_the_mode_nests_and_other_threads_do_not_see_it():
    layer = keras.layers.BatchNormalization()
    x = np.array([[1.0], [5.0]], "float32")
    layer.build(x.shape)

    def spread():
        # Batch statistics normalize to +-1, the fresh moving ones to x.
        with keras.StatelessScope():
            return float(np.ptp(np.asarray(layer(x, training=False))))

    seen = {}
    with exact_moments.scoring(True):
        inside = spread()
        with exact_moments.scoring(False):
            nested = spread()
        thread = threading.Thread(target=lambda: seen.update(out=spread()))
        thread.start()
        thread.join()
        again = spread()

    assert inside == again == pytest.approx(2, abs=0.01)
    assert nested == seen["out"] == pytest.approx(4 / np.sqrt(1.001))


def test_half_precision_moments_do_not_overflow():
    # The squares, 25600 each, sum to 102400 > 65504.
    x = tf.constant([[160.0], [-160.0]] * 2, tf.float16)
    with exact_moments.scoring(True):
        mean, variance = tf.nn.moments(x, [0])
    assert mean.dtype == variance.dtype == tf.float16
    assert float(mean[0]) == 0 and float(variance[0]) == 25600
