"""A small language model of plain Keras layers: a causal transformer."""

import keras
from keras import layers


@keras.saving.register_keras_serializable("language")
class Block(layers.Layer):
    """Attention, and a feed-forward network, both on normalized inputs and
    added to them.

    Args:
        heads: Heads of attention. They divide the width.
        units: Units of the hidden layer.
        causal: Whether a step attends to those before it alone.
    """

    def __init__(self, heads, units, causal=True, **options):
        super().__init__(**options)
        self.heads, self.units, self.causal = heads, units, causal

    def build(self, shape):
        width = shape[-1]
        self.normalize = [
            layers.LayerNormalization(name=f"normalize_{i}") for i in range(2)
        ]
        self.attend = layers.MultiHeadAttention(
            self.heads, width // self.heads, name="attend"
        )
        self.up = layers.Dense(self.units, "gelu", name="up")
        self.down = layers.Dense(width, name="down")
        for layer in (*self.normalize, self.up):
            layer.build(shape)
        self.attend.build(shape, shape)
        self.down.build((*shape[:-1], self.units))

    def call(self, x):
        own = self.normalize[0](x)
        x = x + self.attend(own, own, use_causal_mask=self.causal)
        return x + self.down(self.up(self.normalize[1](x)))

    def get_config(self):
        own = {"heads": self.heads, "units": self.units}
        return {**super().get_config(), **own, "causal": self.causal}


@keras.saving.register_keras_serializable("language")
class Positions(layers.Layer):
    """Adds to each step of a sequence what is learned of its place."""

    def __init__(self, length, **options):
        super().__init__(**options)
        self.length = length

    def build(self, shape):
        size = self.length, shape[-1]
        self.places = self.add_weight(name="places", shape=size)

    def call(self, x):
        return x + self.places[: x.shape[1]]

    def get_config(self):
        return {**super().get_config(), "length": self.length}


def gpt(words, length, width, depth, heads, seed=0):
    """Returns a model from the numbers of words to logits of the next ones."""
    keras.utils.set_random_seed(seed)
    given = keras.Input((length,), dtype="int32", name="words")
    x = layers.Embedding(words, width, name="embed")(given)
    x = Positions(length, name="positions")(x)
    for number in range(depth):
        x = Block(heads, 4 * width, name=f"block_{number}")(x)
    x = layers.LayerNormalization(name="normalize")(x)
    return keras.Model(given, layers.Dense(words, name="out")(x), name="gpt")
