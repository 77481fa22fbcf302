"""Random networks with random zeros give the same outputs in LiteRT."""

import keras
import numpy as np
import pytest
from keras import layers

import kprune
from kprune.deploy import runtimes

QUICK = range(4)
SEEDS = [
    *QUICK,
    *(pytest.param(s, marks=pytest.mark.slow) for s in range(len(QUICK), 200)),
]
KEPT = (0.0, 0.01, 0.03, 0.05, 0.1, 0.3, 1.0)


def width(rng):
    return int(rng.integers(1, 68))


def dense(rng):
    activation = rng.choice(["relu", "tanh", "gelu", "linear", "relu6"])
    bias = bool(rng.integers(2))
    return layers.Dense(width(rng), activation=activation, use_bias=bias)


def convolution(rng):
    options = {
        "kernel_size": int(rng.integers(1, 4)),
        "strides": int(rng.integers(1, 3)),
        "padding": str(rng.choice(["same", "valid"])),
        "use_bias": bool(rng.integers(2)),
    }
    kind = rng.integers(4)
    if kind == 0:
        return layers.DepthwiseConv2D(**options)
    if kind == 1:
        return layers.SeparableConv2D(width(rng), **options)
    return layers.Conv2D(width(rng), activation="relu", **options)


def mlp(rng):
    some = [dense(rng) for _ in range(rng.integers(1, 4))]
    return keras.Sequential([keras.Input((width(rng),)), *some])


def cnn(rng):
    shape = (*rng.integers(9, 13, 2).tolist(), int(rng.integers(1, 5)))
    some = []
    for _ in range(rng.integers(1, 3)):
        some += [convolution(rng), layers.BatchNormalization()]
    last = [layers.Flatten(), layers.GlobalAveragePooling2D()][rng.integers(2)]
    some += [last, dense(rng), dense(rng)]
    return keras.Sequential([keras.Input(shape), *some])


def with_zeros(model, rng):
    """Sets weights to zero: of each kernel a share, or blocks of 4 inputs."""
    for variable in model.trainable_variables:
        values = rng.normal(size=variable.shape)
        if "kernel" in variable.name:
            share, shape = rng.choice(KEPT), variable.shape
            kept = rng.random(shape) < share
            if len(shape) == 2 and rng.integers(2):
                blocks = rng.random((shape[0] // 4 + 1, shape[1])) < share
                kept = blocks.repeat(4, axis=0)[: shape[0]]
            values = np.where(kept, values, 0)
        variable.assign(values)
    return model


@pytest.mark.parametrize("seed", SEEDS)
def test_random_networks_agree_with_keras(seed, tmp_path):
    rng = np.random.default_rng(seed)
    model = with_zeros([mlp, cnn][seed % 2](rng), rng)
    x = rng.normal(size=(5, *model.input_shape[1:])).astype("float32")
    expected = model(x).numpy()
    scale = np.abs(expected).max() or 1.0
    for sparse in (True, False):
        path = tmp_path / f"{sparse}.tflite"
        assert kprune.export(model, path, sparse=sparse).error <= 1e-4
        runner = runtimes.open(path)
        for part in (slice(0, 5), slice(3, 4)):
            (found,) = runner([x[part]])
            error = np.abs(found - expected[part]).max() / scale
            assert error <= 1e-4, sparse
