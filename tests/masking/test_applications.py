"""Models of `keras.applications` live through kprune unharmed."""

import keras
import numpy as np
import pytest
from lifecycle import assert_same, live_through, normal

import kprune

pytestmark = pytest.mark.slow  # CI runs them.


@pytest.mark.parametrize(
    "name", ["MobileNetV2", "ResNet50", "EfficientNetB0", "ConvNeXtTiny"]
)
def test_application_lives_through(name, tmp_path):
    model = getattr(keras.applications, name)(
        weights=None, input_shape=(32, 32, 3), classes=3
    )
    x, y = normal(2, 32, 32, 3), np.eye(3)[:2]
    live_through(model, x, y, tmp_path, optimizer="sgd")


def test_transfer_learning_prunes_the_head_alone():
    options = {"weights": None, "input_shape": (32, 32, 3), "pooling": "avg"}
    base = keras.applications.MobileNetV2(include_top=False, **options)
    base.trainable = False
    inputs = keras.Input((32, 32, 3))
    features = base(inputs, training=False)
    model = keras.Model(inputs, keras.layers.Dense(3, name="head")(features))
    x, y = normal(2, 32, 32, 3), normal(2, 3)
    pruned = kprune.prune(model, "magnitude", 0.5)
    pruned.compile("sgd", "mse", run_eagerly=True)
    pruned.train_on_batch(x, y)
    assert list(kprune.get_masks(pruned)) == ["head/kernel"]
    # Batch norm included: the base was called with `training=False`.
    assert_same(pruned.layers[1].get_weights(), base.get_weights())
