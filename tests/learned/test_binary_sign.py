"""Binary activations."""

import keras
import numpy as np
import tensorflow as tf
from lifecycle import assert_same, saved_and_loaded
from networks import CE, examples, sequential

import kprune
from kprune.learned import binary_sign


def test_the_sign_and_the_slope_that_stands_for_its_own():
    x = tf.constant([-3.0, -1.0, -0.25, 0.0, 0.5, 1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = binary_sign(x)
    np.testing.assert_array_equal(y, [-1, -1, -1, 0, 1, 1, 1])
    # 2 (1 - |x|) within one of 0.
    slopes = tape.gradient(y, x)
    np.testing.assert_allclose(slopes, [0, 0, 1.5, 2, 1, 0, 0])


def test_a_ticket_of_one_bit_trains_and_is_loaded(tmp_path):
    model = sequential(
        (8,),
        keras.layers.Dense(16, name="a"),
        keras.layers.BatchNormalization(),
        keras.layers.Activation(binary_sign, name="sign"),
        keras.layers.Dense(3, name="b"),
        seed=0,
    )
    x, y = examples(32, 8)
    ticket = kprune.select(model, "biprop", 0.5)
    ticket.compile(keras.optimizers.SGD(1.0), CE)
    masks = kprune.learned.selected_masks(ticket)
    ticket.fit(x, y, epochs=3, verbose=0)
    moved = kprune.learned.selected_masks(ticket)
    assert any((masks[name] != moved[name]).any() for name in masks)
    hidden = keras.Model(ticket.inputs, ticket.get_layer("sign").output)
    assert set(np.unique(hidden(x))) == {-1.0, 1.0}
    plain = kprune.strip(ticket)
    for name in ("a", "b"):
        kernel = plain.get_layer(name).kernel.numpy()
        assert len(np.unique(np.abs(kernel))) == 2  # Zero and one size.
    assert_same(saved_and_loaded(plain, tmp_path)(x), plain(x))
