"""A small vision transformer of plain Keras layers."""

import keras
from keras import layers

from language.network import Block, Positions


def vit(shape, classes, patch, width, depth, heads, seed=0):
    """Returns a model from images to logits of their classes.

    Patches of an image are the steps of a sequence, and what becomes of them is
    averaged.
    """
    keras.utils.set_random_seed(seed)
    given = keras.Input(shape, name="images")
    x = layers.Conv2D(width, patch, patch, name="embed")(given)
    x = layers.Reshape((-1, width), name="patches")(x)
    x = Positions(x.shape[1], name="positions")(x)
    for number in range(depth):
        x = Block(heads, 4 * width, causal=False, name=f"block_{number}")(x)
    x = layers.LayerNormalization(name="normalize")(x)
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    return keras.Model(given, layers.Dense(classes, name="out")(x), name="vit")
