"""Models whose `call` is a `tf.function`: traces hold nothing of kprune's."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from lifecycle import assert_same, normal
from networks import CE

import kprune
from kprune.runtime import keras_internals


@keras.saving.register_keras_serializable("traced_calls")
class Traced(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.h, self.norm = layers.Dense(8), layers.BatchNormalization()
        self.d = layers.Dense(3)

    @tf.function
    def call(self, x, training=None):
        if tf.reduce_sum(x) > 1e6:  # Needs autograph.
            x = x / 2
        return self.d(tf.nn.relu(self.norm(self.h(x), training=training)))


class Untraced(Traced):
    def call(self, x, training=None):
        h = self.norm(self.h(x), training=training)
        return self.d(tf.nn.relu(h))


def built(cls):
    keras.utils.set_random_seed(0)
    model = cls()
    model(X)
    return model


X, Y = normal(16, 6), np.arange(16) % 3


@pytest.mark.parametrize("method", ["snip", "grasp", "obd", "force", "synflow"])
def test_it_is_scored_as_it_would_be_without(method):
    found, expected = (
        kprune.score(built(cls), method, data=(X, Y), loss=CE)
        for cls in (Traced, Untraced)
    )
    assert_same(found, expected, 1e-5)


@pytest.mark.parametrize("inplace", [False, True])
def test_masks_count_whenever_they_are_set(inplace, tmp_path):
    model = built(Traced)
    masked = kprune.wrap(model, inplace=inplace, keep_pruned_values=True)
    dense = masked(X)
    masks = kprune.get_masks(masked)
    none = {name: np.zeros_like(mask) for name, mask in masks.items()}
    kprune.set_masks(masked, none)
    assert not np.abs(masked(X)).max()
    kprune.set_masks(masked, masks)
    assert_same(masked(X), dense)
    masked.save(tmp_path / "model.keras")
    assert_same(keras.models.load_model(tmp_path / "model.keras")(X), dense)


def test_scoring_leaves_no_trace_without_updates():
    model = built(Traced)
    kprune.prune(model, "snip", 0.5, data=(X, Y), loss=CE)
    before = model.norm.moving_mean.numpy()
    model(X, training=True)
    assert np.abs(model.norm.moving_mean - before).max() > 0


@pytest.mark.parametrize("training", [False, True])
def test_a_layer_with_such_a_call(training):
    class Double(layers.Dense):
        @tf.function
        def call(self, x):
            return 2 * super().call(x)

    x = keras.Input((6,))
    masked = kprune.wrap(
        keras.Model(x, Double(3, name="double")(x)), keep_pruned_values=True
    )
    assert np.abs(masked(X, training=training)).max() > 0
    kprune.set_masks(masked, {"double/kernel": np.zeros((6, 3), bool)})
    assert not np.abs(masked(X, training=training)).max()


def test_what_is_traced_anew_keeps_its_options():
    class Told(layers.Layer):
        @tf.function(input_signature=[tf.TensorSpec([None, 6])])
        def call(self, x):
            return x + self.add

    layer = Told()
    layer.add = 1.0
    before = layer.call
    keras_internals.forget_traces(keras_internals.traced_layers(layer))
    assert layer.call is not before
    assert layer.call.input_signature == before.input_signature
    assert_same(layer(X), X + 1)
