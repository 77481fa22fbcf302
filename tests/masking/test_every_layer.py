"""Copies of every layer of Keras compute what it computes."""

import every_layer
import keras
import numpy as np
import pytest

import kprune
from kprune.masking import weights


def outputs(model, x):
    return keras.ops.convert_to_numpy(model(x, training=False))


def trained(model):
    return {name: v.trainable for name, v in weights.named(model)}


@pytest.mark.parametrize("name", every_layer.NAMES)
def test_copies_are_the_model(name):
    model, x = every_layer.model(name)
    for variable in model.variables[:-2][::2]:  # The head's come last.
        variable.trainable = False
    wrapped = kprune.wrap(model)
    for copy in (wrapped, kprune.strip(wrapped)):
        np.testing.assert_array_equal(outputs(copy, x), outputs(model, x))
        assert trained(copy) == trained(model)
