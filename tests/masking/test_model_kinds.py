"""Every kind of model lives through kprune unharmed."""

import keras
import numpy as np
import pytest
from keras import layers
from lifecycle import live_through
from model_kinds import KINDS, Subclassed, subclassed

import kprune

_LONG = ("separable_and_depthwise", "embedding_and_masked_lstm")
# tests/deploy/test_export.py exports the other kinds.
_EXPORTED = ("sequential_without_input", "nested", "subclassed_of_subclassed")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in _LONG else name
        for name in KINDS
    ],
)
def test_kind_lives_through(name, tmp_path):
    live_through(*KINDS[name](), tmp_path, export=name in (*_LONG, *_EXPORTED))


@pytest.mark.parametrize("put", [kprune.wrap, kprune.learned.soft_threshold])
def test_a_file_keeps_its_class_once_another_class_is_wrapped(put, tmp_path):
    class Other(keras.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.fc = layers.Dense(3, name="fc")

        def call(self, x):
            return self.fc(x)

    model, x, _ = subclassed()
    put(model).save(tmp_path / "model.keras")
    other = Other(name="other")
    other(x)
    put(other)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, Subclassed)
    assert not isinstance(loaded, Other)
    np.testing.assert_array_equal(put(model)(x), loaded(x))
