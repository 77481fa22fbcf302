"""Layers whose own `call` calls layers that they hold.

| name | what it is |
|---|---|
| `FeedForward` | two dense layers, `hidden` units between, and a residual |
| `Gated` | the same as equations, with a gate |
| `Attending` | attention of `heads` heads, in front of a `FeedForward` |
| `Tower` | blocks of which one argument sets all widths |
| `Scaled` | divides by a width that it holds |
| `Forgetful` | has arguments that its config lacks |
"""

import keras
from keras import layers, ops

serializable = keras.saving.register_keras_serializable("composite_layers")


class OfArguments(layers.Layer):
    """The config has the constructor's arguments, as `arguments` names them."""

    arguments = ()

    def get_config(self):
        own = {name: getattr(self, name) for name in self.arguments}
        return {**super().get_config(), **own}


def squared_relu(x):
    return ops.square(ops.relu(x)) * 0.5


@serializable
class FeedForward(OfArguments):
    arguments = ("hidden", "use_bias")

    def __init__(self, hidden, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        self.hidden, self.use_bias = hidden, use_bias

    def build(self, shape):
        options = {"use_bias": self.use_bias}
        self.norm = layers.LayerNormalization(name="norm")
        self.norm.build(shape)
        self.up = layers.Dense(self.hidden, squared_relu, **options, name="up")
        self.up.build(shape)
        self.down = layers.Dense(shape[-1], **options, name="down")
        self.down.build((*shape[:-1], self.hidden))

    def call(self, x):
        return x + self.down(self.up(self.norm(x)))


@serializable
class Gated(OfArguments):
    arguments = ("width",)

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.width = width  # Of both of its halves, as in Gemma.

    def build(self, shape):
        half = (None, self.width // 2)
        self.gate = layers.EinsumDense("btd,df->btf", half, bias_axes="f")
        self.value = layers.EinsumDense("btd,df->btf", half)
        self.down = layers.EinsumDense("btf,fd->btd", (None, shape[-1]))
        self.gate.build(shape)
        self.value.build(shape)
        self.down.build((*shape[:-1], self.width // 2))

    def call(self, x):
        gate = keras.activations.gelu(self.gate(x), approximate=True)
        return self.down(gate * self.value(x)) + x


@serializable
class Attending(OfArguments):
    arguments = ("heads", "hidden")

    def __init__(self, heads, hidden, **kwargs):
        super().__init__(**kwargs)
        self.heads, self.hidden = heads, hidden

    def build(self, shape):
        self._self_attention = layers.MultiHeadAttention(
            self.heads, shape[-1] // self.heads, name="attention"
        )
        self._self_attention.build(shape, shape)
        self.feed_forward = FeedForward(self.hidden, name="feed_forward")
        self.feed_forward.build(shape)

    def call(self, x, training=None):
        length = ops.shape(x)[1]
        before = ops.arange(length)[:, None] >= ops.arange(length)
        x = x + self._self_attention(
            query=x, value=x, attention_mask=before, training=training
        )
        return self.feed_forward(x)


@serializable
class Tower(OfArguments):
    arguments = ("depth", "hidden")

    def __init__(self, depth, hidden, **kwargs):
        super().__init__(**kwargs)
        self.depth, self.hidden = depth, hidden

    def build(self, shape):
        self.blocks = [FeedForward(self.hidden) for _ in range(self.depth)]
        for block in self.blocks:
            block.build(shape)

    def call(self, x):
        for block in self.blocks:
            x = block(x)
        return x


@serializable
class Scaled(FeedForward):
    def call(self, x):
        h = self.up(self.norm(x))
        return self.down(h / h.shape[-1])


@serializable
class Reading(FeedForward):
    def call(self, x):
        h = self.up(x)
        return self.down(h) + ops.mean(self.up.kernel)


@serializable
class Forgetful(layers.Layer):
    """As a layer that only the constructor of a model makes."""

    def __init__(self, factor, initializer="ones", **kwargs):
        super().__init__(**kwargs)
        self.factor = factor
        self.initializer = keras.initializers.get(initializer)

    def build(self, shape):
        self.scale = self.add_weight(
            shape=shape[-1:], initializer=self.initializer, name="scale"
        )

    def call(self, x):
        return x * self.scale * self.factor

    def get_config(self):
        return {**super().get_config(), "unknown": 1}
