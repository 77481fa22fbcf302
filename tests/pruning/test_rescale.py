"""The largest weight of each tensor, by the inputs that are left."""

import keras
import numpy as np
from networks import sequential

import kprune
from kprune.pruning import kept_weights

A = np.arange(12.0).reshape(4, 3) - 3
B = np.array([[1.0, -2.0], [3.0, 4.0], [5.0, 6.0]])


def net():
    dense = [keras.layers.Dense(n, name=x) for n, x in ((3, "a"), (2, "b"))]
    zero = keras.layers.Dense(2, kernel_initializer="zeros", name="c")
    values = [A, np.ones(3), B, np.ones(2), np.zeros((2, 2)), np.ones(2)]
    return sequential((4,), *dense, zero, values=values)


def assert_kernel(model, name, expected):
    layer = kprune.masking.weights.unwrapped(model.get_layer(name))
    np.testing.assert_allclose(layer.kernel, expected, rtol=1e-6)


def test_a_plain_model():
    model = net()
    kept_weights.rescale(model)
    # 4 inputs, largest |w| 8: times 1 / 16. 3 inputs, largest 6.
    assert_kernel(model, "a", A / 16)
    assert_kernel(model, "b", B / (6 * np.sqrt(3)))
    assert_kernel(model, "c", 0)
    np.testing.assert_array_equal(model.get_layer("a").bias, np.ones(3))


def test_embeddings_stay():
    model = sequential(
        (3,),
        keras.layers.Embedding(20, 6, name="words"),
        keras.layers.Flatten(),
        keras.layers.Dense(2, name="b"),
    )
    before = model.get_weights()
    kept_weights.rescale(model)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    assert (model.get_weights()[1] != before[1]).all()


def test_the_inputs_are_those_that_are_left():
    model = kprune.wrap(net())
    masks = kprune.get_masks(model)
    masks["a/kernel"][:, 2] = masks["b/kernel"][2] = False
    masks["b/kernel"][0, 1] = False  # The other unit still reads input 0.
    kprune.set_masks(model, masks)
    kept_weights.rescale(model)
    # Of a the largest left is 7, of 4 inputs: 0.5 / 7. Of b 4, of 2 inputs.
    assert_kernel(model, "a", np.where([True, True, False], A, 0) / 14)
    expected = np.array([[1, 0], [3, 4], [0, 0]]) / (4 * np.sqrt(2))
    assert_kernel(model, "b", expected)


def test_values_under_a_mask_do_not_count():
    model = kprune.wrap(net(), keep_pruned_values=True)
    masks = kprune.get_masks(model)
    masks["b/kernel"][2] = False  # 5 and 6 stay stored.
    kprune.set_masks(model, masks)
    assert_kernel(model, "b", B)
    kept_weights.rescale(model)
    assert_kernel(model, "b", B / (4 * np.sqrt(2)))


def test_inputs_of_convolutions_and_gates():
    ones = {"kernel_initializer": "ones"}
    model = sequential(
        (4, 2),
        keras.layers.Conv1D(3, 2, **ones, name="conv"),
        keras.layers.LSTM(5, **ones, recurrent_initializer="ones"),
    )
    kept_weights.rescale(model)
    found = kprune.masking.weights.find(model)
    scales = np.concatenate([np.unique(w.variable) for w in found])
    # 2 places of 2 channels; 3 channels; 5 units.
    expected = [4**-0.5, 3**-0.5, 5**-0.5]
    np.testing.assert_allclose(scales, expected, rtol=1e-6)
