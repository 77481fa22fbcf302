"""The largest weight of each tensor, by the inputs that are left."""

import keras
import numpy as np
from networks import sequential

import kprune
from kprune.pruning import kept_weights


def net():
    model = sequential(
        (4,),
        keras.layers.Dense(3, bias_initializer="ones", name="a"),
        keras.layers.Dense(2, name="b"),
        keras.layers.Dense(2, kernel_initializer="zeros", name="c"),
    )
    model.layers[0].kernel.assign(np.arange(12.0).reshape(4, 3) - 3)
    model.layers[1].kernel.assign([[1.0, -2.0], [3.0, 4.0], [5.0, 6.0]])
    return model


def kernel(model, name):
    return kprune.masking.weights.unwrapped(
        model.get_layer(name)
    ).kernel.numpy()


def test_a_plain_model():
    model = net()
    kept_weights.rescale(model)
    # 4 inputs, largest |w| 8: times 1 / 16. 3 inputs, largest 6.
    expected = (np.arange(12.0).reshape(4, 3) - 3) / 16
    np.testing.assert_allclose(kernel(model, "a"), expected, rtol=1e-6)
    expected = np.array([[1, -2], [3, 4], [5, 6]]) / (6 * np.sqrt(3))
    np.testing.assert_allclose(kernel(model, "b"), expected, rtol=1e-6)
    assert not kernel(model, "c").any()
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
    expected = (np.arange(12.0).reshape(4, 3) - 3) / 14
    expected[:, 2] = 0
    np.testing.assert_allclose(kernel(model, "a"), expected, rtol=1e-6)
    expected = np.array([[1, 0], [3, 4], [0, 0]]) / (4 * np.sqrt(2))
    np.testing.assert_allclose(kernel(model, "b"), expected, rtol=1e-6)


def test_values_under_a_mask_do_not_count():
    model = kprune.wrap(net(), keep_pruned_values=True)
    masks = kprune.get_masks(model)
    masks["b/kernel"][2] = False  # 5 and 6 stay stored.
    kprune.set_masks(model, masks)
    assert kernel(model, "b")[2, 1] == 6
    kept_weights.rescale(model)
    np.testing.assert_allclose(
        kernel(model, "b")[1, 1], 1 / np.sqrt(2), rtol=1e-6
    )


def test_inputs_of_convolutions_and_gates():
    model = sequential(
        (4, 2),
        keras.layers.Conv1D(3, 2, kernel_initializer="ones", name="conv"),
        keras.layers.LSTM(
            5,
            kernel_initializer="ones",
            recurrent_initializer="ones",
            name="lstm",
        ),
    )
    kept_weights.rescale(model)
    scales = {
        w.name: np.unique(w.variable)
        for w in kprune.masking.weights.find(model)
    }
    # 2 places of 2 channels; 3 channels; 5 units.
    expected = [4**-0.5, 3**-0.5, 5**-0.5]
    np.testing.assert_allclose(
        np.concatenate(list(scales.values())), expected, rtol=1e-6
    )
