"""One model of every kind, by name: functions to (model, x, y)."""

import keras
import numpy as np
from keras import layers
from lifecycle import normal
from networks import sequential as stack

KINDS = {}


def kind(build):
    """Registers a function to (model, x, y) under its name."""
    KINDS[build.__name__] = build
    return build


@kind
def sequential():
    hidden = layers.Dense(8, activation="relu"), layers.Dropout(0.5)
    model = stack((6,), *hidden, layers.Dense(3))
    return model, normal(4, 6), normal(4, 3)


@kind
def sequential_without_input():
    model = keras.Sequential([layers.Dense(8), layers.Dense(3)])
    model(normal(4, 6))
    return model, normal(4, 6), normal(4, 3)


@kind
def functional_with_two_inputs_and_operations():
    a, b = keras.Input((6,), name="a"), keras.Input((4,), name="b")
    x = layers.Dense(8)(a) * 2.0 + layers.Dense(8)(b)
    x = keras.ops.concatenate([x, keras.ops.relu(x)], axis=-1)
    out = {"p": layers.Dense(3)(x), "q": layers.Dense(3)(x)}
    model = keras.Model({"a": a, "b": b}, out)
    x = {"a": normal(4, 6), "b": normal(4, 4)}
    return model, x, {"p": normal(4, 3), "q": normal(4, 3)}


@kind
def convolutional_with_batch_norm():
    model = stack(
        (8, 8, 3),
        layers.Conv2D(8, 3, use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Conv2DTranspose(4, 3),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3),
    )
    return model, normal(4, 8, 8, 3), normal(4, 3)


@kind
def separable_and_depthwise():
    model = stack(
        (8, 8, 4),
        layers.SeparableConv2D(8, 3, depth_multiplier=2),
        layers.DepthwiseConv2D(3, depth_multiplier=2),
        layers.Reshape((16, 16)),
        layers.SeparableConv1D(8, 3),
        layers.DepthwiseConv1D(3),
        layers.Flatten(),
        layers.Dense(3),
    )
    return model, normal(4, 8, 8, 4), normal(4, 3)


@kind
def nested():
    block = stack((8,), layers.Dense(8))
    i = keras.Input((8,))
    inner = keras.Model(i, layers.Dense(8)(block(i)) + i)
    i = keras.Input((6,))
    x = inner(layers.Dense(8)(i), training=False)
    model = keras.Model(i, layers.Dense(3)(x))
    return model, normal(4, 6), normal(4, 3)


@kind
def shared_layer_and_shared_model():
    i = keras.Input((6,))
    shared = layers.Dense(6, name="shared")
    block = stack((6,), layers.Dense(6))
    x = shared(block(block(shared(i))))
    return keras.Model(i, layers.Dense(3)(x)), normal(4, 6), normal(4, 3)


@kind
def attention():
    q, v = keras.Input((5, 8), name="q"), keras.Input((7, 8), name="v")
    x, scores = layers.MultiHeadAttention(2, 4, dropout=0.1)(
        q, v, return_attention_scores=True
    )
    x = layers.LayerNormalization()(x + q)
    x = layers.EinsumDense("abc,cd->abd", output_shape=(None, 3))(x)
    x = layers.GlobalAveragePooling1D()(x)
    x = x + keras.ops.mean(scores)
    model = keras.Model([q, v], x)
    return model, [normal(4, 5, 8), normal(4, 7, 8)], normal(4, 3)


@kind
def embedding_and_masked_lstm():
    i = keras.Input((7,), dtype="int32")
    x = layers.Embedding(11, 8, mask_zero=True)(i)
    x = layers.LSTM(6, return_sequences=True, dropout=0.2)(x)
    x = layers.Bidirectional(layers.GRU(4, recurrent_dropout=0.2))(x)
    model = keras.Model(i, layers.Dense(3)(x))
    x = np.array([[1, 2, 3, 0, 0, 0, 0], [4, 5, 6, 7, 8, 9, 10]], "int32")
    return model, x, normal(2, 3)


@kind
def bidirectional_and_time_distributed():
    i = keras.Input((3, 4))
    x = layers.Bidirectional(
        layers.LSTM(4, return_sequences=True), merge_mode="concat"
    )(i)
    x = layers.TimeDistributed(
        keras.Sequential([layers.Dense(6), layers.Dropout(0.3)])
    )(x)
    x = layers.RNN([layers.LSTMCell(4), layers.GRUCell(4)])(x)
    model = keras.Model(i, layers.Dense(3)(x))
    return model, normal(4, 3, 4), normal(4, 3)


@keras.saving.register_keras_serializable("tests")
class Subclassed(keras.Model):
    """Lists, dicts and tuples of layers, a nested graph and a train step."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.blocks = [layers.Dense(units), (layers.Dense(units),)]
        self.heads = {"p": layers.Dense(3), "q": layers.Dense(3)}
        self.nested = keras.Sequential(
            [layers.Dense(units), layers.Dense(units), layers.Dropout(0.3)]
        )
        self.norm = layers.BatchNormalization()
        self.steps = 0

    def call(self, x, training=None):
        x = self.blocks[1][0](keras.ops.relu(self.blocks[0](x)))
        x = self.norm(self.nested(x, training=training), training=training)
        return self.heads["p"](x) + self.heads["q"](x)

    def train_step(self, data):
        self.steps += 1
        return super().train_step(data)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@kind
def subclassed():
    model = Subclassed(units=6)
    model(normal(4, 5))
    return model, normal(4, 5), normal(4, 3)


@keras.saving.register_keras_serializable("tests")
class TwoTowers(keras.Model):
    """Takes a dict of inputs; one tower is a subclassed model itself."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.a = Subclassed(units)
        self.b = layers.Dense(3)

    def call(self, inputs):
        return self.a(inputs["a"]) + self.b(inputs["b"])

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@kind
def subclassed_of_subclassed():
    model = TwoTowers(4)
    x = {"a": normal(4, 5), "b": normal(4, 2)}
    model(x)
    return model, x, normal(4, 3)
