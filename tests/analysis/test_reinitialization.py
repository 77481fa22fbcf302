"""New weights under old masks."""

import keras
import numpy as np
import pytest
from keras import layers
from networks import sequential

import kprune
from kprune.analysis import sanity


def net():
    drawn = {
        "depthwise_initializer": keras.initializers.HeNormal(seed=1),
        "bias_initializer": keras.initializers.RandomNormal(seed=2),
    }
    return sequential(
        (6, 6, 2),
        layers.SeparableConv2D(8, 3, name="conv", **drawn),
        layers.BatchNormalization(name="bn"),
        layers.ReLU(name="relu"),
        layers.Reshape((16, 8), name="rows"),
        layers.LSTM(4, name="lstm"),
        layers.Dense(3, name="fc"),
    )


def named(model):
    """Returns the values of all variables but the states of seeds."""
    return {
        name: np.array(variable)
        for name, variable in kprune.masking.weights.named(model)
        if "seed" not in name
    }


def trained():
    """A pruned model whose variables are none of its initializers'."""
    model = kprune.prune(net(), "magnitude", 0.5, verbose=0)
    for variable in model.trainable_variables:
        variable.assign(variable + 7.0)
    for statistic in model.get_layer("bn").non_trainable_variables:
        statistic.assign(statistic + 7.0)
    kprune.set_masks(model, kprune.get_masks(model))
    return model


def test_weights_change_and_masks_stay():
    model = trained()
    masks, before = kprune.get_masks(model), named(model)
    sanity.reinitialize(model, seed=1)
    after = named(model)
    assert kprune.masks.overlap(masks, kprune.get_masks(model)) == 1
    for name, mask in masks.items():
        assert (after[name][mask] != before[name][mask]).all()
        assert not after[name][~mask].any()


def test_every_variable_is_as_it_starts():
    model = trained()
    sanity.reinitialize(model, seed=1)
    found, fresh = named(model), named(net())
    for name in ("bn/gamma", "bn/beta", "bn/moving_mean", "fc/bias"):
        np.testing.assert_array_equal(found[name], fresh[name])
    np.testing.assert_array_equal(found["bn/moving_variance"], np.ones(8))
    # The forget gate's bias starts at one, the others' at zero.
    np.testing.assert_array_equal(
        found["lstm/cell/bias"], np.repeat([0.0, 1.0, 0.0, 0.0], 4)
    )
    # Random biases are drawn anew, though their initializer has a seed.
    assert (found["conv/bias"] != fresh["conv/bias"]).all()
    assert 0.005 < found["conv/bias"].std() < 0.2  # RandomNormal: 0.05.


def test_the_law_is_that_of_the_initializer():
    model = sequential((200,), layers.Dense(300, name="fc"))
    sanity.reinitialize(model, seed=3)
    kernel = named(model)["fc/kernel"]
    # Glorot's uniform law: sqrt(6 / 500) = 0.1095.
    assert 0.109 < np.abs(kernel).max() <= 0.1096
    assert abs(kernel.mean()) < 1e-3


def test_the_draw_depends_on_the_seed_alone():
    models = net(), net(), net()
    for model, seed in zip(models, (1, 1, 2), strict=True):
        sanity.reinitialize(model, seed=seed)
    one, again, other = map(named, models)
    for name in one:
        np.testing.assert_array_equal(one[name], again[name])
    assert (one["fc/kernel"] != other["fc/kernel"]).all()


def test_what_is_frozen_stays():
    model = net()
    model.get_layer("lstm").trainable = False
    before = named(model)
    sanity.reinitialize(model, seed=1)
    after = named(model)
    for name in before:
        # Normalization and this bias start from constants.
        same = name.startswith(("lstm", "bn")) or name == "fc/bias"
        assert (after[name] == before[name]).all() == same


def test_layers_whose_initializer_has_another_name():
    he = {"depthwise_initializer": "he_normal", "name": "depthwise"}
    norm = layers.RMSNormalization(name="rms")
    model = sequential((6, 6, 2), layers.DepthwiseConv2D(3, **he), norm)
    before = named(model)
    model.get_layer("rms").scale.assign([3.0, 4.0])
    sanity.reinitialize(model, seed=1)
    after = named(model)
    assert (after["depthwise/kernel"] != before["depthwise/kernel"]).all()
    np.testing.assert_array_equal(after["rms/scale"], [1.0, 1.0])


def test_a_layer_without_an_initializer_is_named():
    class Scale(layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight(shape=(shape[-1],), name="scale")

        def call(self, x):
            return x * self.scale

    model = sequential((3,), layers.Dense(4, name="fc"), Scale(name="by"))
    before = named(model)
    with pytest.raises(ValueError, match="'by' does not tell how to draw"):
        sanity.reinitialize(model)
    for name, value in named(model).items():
        np.testing.assert_array_equal(value, before[name])


def test_values_are_shuffled_within_the_mask():
    model = trained()
    masks, before = kprune.get_masks(model), named(model)
    sanity.shuffle_weights(model, seed=1)
    after = named(model)
    assert kprune.masks.overlap(masks, kprune.get_masks(model)) == 1
    for name, mask in masks.items():
        old, new = before[name][mask], after[name][mask]
        assert (old != new).any()
        np.testing.assert_array_equal(np.sort(old), np.sort(new))
        assert not after[name][~mask].any()
    np.testing.assert_array_equal(after["conv/bias"], before["conv/bias"])
    with pytest.raises(ValueError, match="has no masks"):
        sanity.shuffle_weights(net())
