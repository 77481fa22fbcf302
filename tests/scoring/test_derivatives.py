"""Hessian-vector products of all kinds of layers, by finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import CE, examples, sequential

import kprune
from kprune.scoring.config import ScoringConfig

L = keras.layers
SEQUENCE = (5, 4)
KINDS = {
    "dense": ((6,), [L.Dense(4, activation="gelu")]),
    "convolution": (
        (6, 6, 2),
        [L.Conv2D(3, 3, activation="swish"), L.MaxPooling2D(2), L.Flatten()],
    ),
    "depthwise and separable": (
        (6, 6, 2),
        [
            L.DepthwiseConv2D(3, depth_multiplier=2),
            L.LayerNormalization(),
            L.SeparableConv2D(3, 3, activation="softplus"),
            L.Flatten(),
        ],
    ),
    "transposed": (
        (3, 3, 2),
        [
            L.Conv2DTranspose(4, 3, strides=2, activation="tanh"),
            L.GroupNormalization(2),
            L.BatchNormalization(),
            L.GlobalAveragePooling2D(),
        ],
    ),
    "LSTM": (SEQUENCE, [L.LSTM(3)]),
    "GRU": (SEQUENCE, [L.Bidirectional(L.GRU(2))]),
    "unrolled LSTM": (SEQUENCE, [L.LSTM(3, unroll=True)]),
}


def objective(kind):
    shape, layers = KINDS[kind]
    # Of the same configuration, but not built by another test.
    layers = [type(one).from_config(one.get_config()) for one in layers]
    model = sequential(shape, *layers, L.Dense(3), seed=1)
    scoring = ScoringConfig(precision="float64")
    return kprune.Objective(model, examples(6, *shape), CE, scoring)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.slow) if kind == "GRU" else kind
        for kind in KINDS
    ],
)
def test_products_are_finite_differences_of_gradients(kind):
    one, rng, step = objective(kind), np.random.default_rng(2), 1e-5
    point = {**one.weights, **one.others}
    vector = {
        name: tf.constant(rng.normal(size=w.shape)) for name, w in point.items()
    }

    def moved(sign):
        return one.gradient(
            {n: w + sign * step * vector[n] for n, w in point.items()}
        )

    ahead, back, product = moved(1), moved(-1), one.hvp(point, vector)
    largest = max(np.abs(p).max() for p in product.values())
    for name in point:
        expected = (ahead[name] - back[name]) / (2 * step)
        error = np.abs(product[name] - expected).max()
        assert error < 1e-6 * largest, name
    if kind in ("convolution", "LSTM"):
        # Along the gradient it is the same in one pass as in two.
        apart = one.hvp(one.weights, one.gradient(one.weights))
        for name, fused in one.hvp(one.weights).items():
            np.testing.assert_allclose(fused, apart[name], atol=1e-12)
