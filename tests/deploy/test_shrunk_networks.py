"""Whole architectures, half of their channels pruned, statistics random."""

import keras
import numpy as np
import pytest
from building import shrunk

import kprune
from kprune.deploy.shrink import plan
from kprune.masking import weights

SIZES = {
    "vgg16": 32,
    "resnet20": 32,
    "resnet50": 64,
    "MobileNetV2": 32,
    "ResNet50": 32,
    "ResNet50V2": 32,
    "EfficientNetB0": 32,
    "DenseNet121": 32,
    "InceptionV3": 75,
    "Xception": 71,
    "ConvNeXtTiny": 32,
}


def live(model):
    """Gives what is constant at initialization random values."""
    rng = np.random.default_rng(0)
    for variable in model.weights:
        value = rng.normal(size=variable.shape) * 0.3
        if variable.name in ("gamma", "moving_variance"):
            variable.assign(1 + np.abs(value))
        elif variable.name in ("beta", "moving_mean", "bias"):
            variable.assign(value)


def assert_shrinks(model, directory):
    live(model)
    model = kprune.prune(model, "random", 0.5, granularity="channel")
    small = shrunk(model)
    before, after = plan(model).parameters
    assert after == small.count_params() < 0.6 * before
    # Nothing that was pruned has to stay.
    sizes = {w.name: w.layout.size for w in weights.find(small)}
    for name, mask in kprune.get_masks(model).items():
        assert sizes[name] == np.count_nonzero(mask), name
    small.save(directory / "small.keras")
    loaded = keras.models.load_model(directory / "small.keras")
    x = np.random.default_rng(1).normal(size=(2, *model.input_shape[1:]))
    outputs = np.asarray(small(x))
    np.testing.assert_array_equal(loaded(x), outputs)
    kprune.export(small, directory / "saved")  # Checks the outputs itself.
    small.compile("sgd", "mse")
    assert np.isfinite(small.train_on_batch(x, np.zeros_like(outputs)))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("conv2", (8, 8, 1)),
        *(
            pytest.param(name, (size, size, 3), marks=pytest.mark.slow)
            for name, size in SIZES.items()
        ),
    ],
)
def test_network_shrinks_saves_exports_and_trains(name, shape, tmp_path):
    if hasattr(kprune.models, name):
        model = getattr(kprune.models, name)(input_shape=shape)
    else:
        build = getattr(keras.applications, name)
        model = build(weights=None, input_shape=shape, classes=7)
    assert_shrinks(model, tmp_path)
