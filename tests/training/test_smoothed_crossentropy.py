"""Smoothed labels as class numbers, in training and in scoring."""

import math

import keras
import numpy as np
import pytest
from lifecycle import assert_same, normal, saved_and_loaded
from networks import CE, sequential

import kprune
from kprune.training.losses import SmoothedCrossentropy

LABELS = np.array([0, 2, 1, 1, 0, 2])


def classifier(seed=0):
    hidden = keras.layers.Dense(5, activation="tanh", name="a")
    return sequential((4,), hidden, keras.layers.Dense(3, name="b"), seed=seed)


def one_hot(e, **options):
    return keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=e, **options
    )


def test_by_hand():
    # p = (2/3, 1/3), and the label 0 is (0.95, 0.05) when smoothed.
    expected = 0.95 * math.log(1.5) + 0.05 * math.log(3)
    logits = np.array([[math.log(2.0), 0.0]])
    found = SmoothedCrossentropy(0.1)(np.array([0]), logits)
    assert float(found) == pytest.approx(expected)
    # -log p is 0 at the label and 1000 elsewhere: 0.1 * 2000 / 3.
    logits = np.array([[1000.0, 0.0, 0.0]])
    found = SmoothedCrossentropy(0.1)(np.array([0]), logits)
    assert float(found) == pytest.approx(200 / 3)


@pytest.mark.parametrize("e", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("shape", [(6,), (6, 1)])
def test_equals_the_loss_on_one_hot_labels(e, shape):
    logits, weights = 3 * normal(6, 3), np.arange(6.0)
    eye = np.eye(3)[LABELS]
    labels = LABELS.reshape(shape)
    for options in ({}, {"sample_weight": weights}):
        found = SmoothedCrossentropy(e)(labels, logits, **options)
        expected = one_hot(e)(eye, logits, **options)
        assert float(found) == pytest.approx(float(expected), rel=1e-6)


def test_equals_it_at_each_place_of_an_image():
    logits = normal(2, 4, 5, 3)
    labels = np.arange(40).reshape(2, 4, 5) % 3
    found = SmoothedCrossentropy(0.1, reduction=None)(labels, logits)
    expected = one_hot(0.1, reduction=None)(np.eye(3)[labels], logits)
    assert found.shape == (2, 4, 5)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_trains_as_on_one_hot_labels():
    x = normal(6, 4)
    one, other = classifier(), classifier()
    loss = SmoothedCrossentropy(0.2)
    one.compile("sgd", loss, metrics=["accuracy"], jit_compile=True)
    other.compile("sgd", one_hot(0.2), metrics=["accuracy"], jit_compile=True)
    eye = np.eye(3)[LABELS]
    found = one.fit(x, LABELS, 3, 2, shuffle=False, verbose=0).history
    expected = other.fit(x, eye, 3, 2, shuffle=False, verbose=0).history
    assert_same(found, expected, tolerance=1e-6)
    assert_same(one.get_weights(), other.get_weights(), tolerance=1e-6)


@pytest.mark.parametrize("method", ["snip", "grasp"])
def test_scores_as_on_one_hot_labels(method):
    x, model = normal(6, 4), classifier()
    model.compile("sgd", SmoothedCrossentropy(0.1))
    found = kprune.score(model, method, data=(x, LABELS))
    eye = np.eye(3, dtype="float32")[LABELS]
    expected = kprune.score(model, method, data=(x, eye), loss=one_hot(0.1))
    assert sorted(found) == ["a/kernel", "b/kernel"]
    other = kprune.score(model, method, data=(x, LABELS), loss=CE)
    for name, scores in found.items():
        largest = np.abs(expected[name]).max()
        assert np.abs(scores - expected[name]).max() < 1e-4 * largest
        assert np.abs(scores - other[name]).max() > 1e-2 * largest


def test_labels_that_do_not_fit_are_refused_before_scoring():
    for labels in (LABELS + 1, np.eye(3)[LABELS]):
        with pytest.raises(ValueError, match="labels do not fit the loss"):
            data, loss = (normal(6, 4), labels), SmoothedCrossentropy(0.1)
            kprune.score(classifier(), "snip", data=data, loss=loss)


def test_round_trip(tmp_path):
    loss = SmoothedCrossentropy(0.1, reduction="sum", name="mine")
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert isinstance(again, SmoothedCrossentropy)
    assert again.get_config() == loss.get_config()
    assert again.get_config()["label_smoothing"] == 0.1
    logits = normal(6, 3)
    assert float(again(LABELS, logits)) == float(loss(LABELS, logits))
    model = classifier()
    model.compile("sgd", loss)
    loaded = saved_and_loaded(model, tmp_path)
    x = normal(6, 4)
    expected = model.evaluate(x, LABELS, verbose=0)
    assert loaded.evaluate(x, LABELS, verbose=0) == pytest.approx(expected)


@pytest.mark.parametrize("e", [-0.1, 1.0, "0.1", None])
def test_bad_smoothing(e):
    with pytest.raises(ValueError, match=r"`label_smoothing`.*\[0, 1\)"):
        SmoothedCrossentropy(e)
