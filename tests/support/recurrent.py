"""Recurrent networks of all kinds, and inputs for them.

    from recurrent import NETWORKS, WHOLE, classifier, inputs

`NETWORKS` is a dict from what is special about a network to what builds it,
with 6 units or so in each layer. `WHOLE` is one from the reason why a layer,
`rnn`, is not followed.
"""

import keras
import numpy as np
from networks import sequential

layers = keras.layers

STEPS, FEATURES, WORDS = 3, 3, 9


def classifier(*stack, shape=(STEPS, FEATURES)):
    """Returns layers on a sequence, and a dense one, `out`, of two units."""
    return sequential(shape, *stack, layers.Dense(2, name="out"))


def inputs(model, examples=3, seed=5):
    """Returns an input that a model takes: numbers or words, with zeros at
    some last steps, which are masked where the model masks them."""
    rng, found = np.random.default_rng(seed), []
    for x in model.inputs:
        shape = [x.shape[0] or examples, *x.shape[1:]]
        if x.dtype == "int32":
            words = rng.integers(1, WORDS, shape)
            found.append(words * (np.arange(shape[1]) < shape[1] - 1))
        else:
            numbers = rng.normal(size=shape).astype("float32")
            numbers[0, -1] = 0
            found.append(numbers)
    return found if len(found) > 1 else found[0]


def _ended(x, h):
    return keras.Model(x, layers.Dense(2, name="out")(h))


def _apart():
    x = keras.Input((STEPS, FEATURES))
    two = layers.Bidirectional(layers.LSTM(6), merge_mode=None, name="two")
    ahead, back = two(x)
    ahead, back = layers.Dense(2, name="a")(ahead), layers.Dense(2)(back)
    return keras.Model(x, layers.Add(name="sum")([ahead, back]))


def _words():
    x = keras.Input((STEPS,), dtype="int32")
    h = layers.Embedding(WORDS, 6, mask_zero=True, name="table")(x)
    lstm = layers.LSTM(6, return_sequences=True)
    h = layers.Bidirectional(lstm, name="two")(h)
    h = layers.BatchNormalization(name="norm")(h)
    h = layers.GlobalAveragePooling1D(name="mean")(h)
    return _ended(x, h)


def _encoder_and_decoder():
    x, y = keras.Input((STEPS, FEATURES)), keras.Input((2, FEATURES))
    _, h, c = layers.LSTM(6, return_state=True, name="encoder")(x)
    z = layers.LSTM(6, name="decoder")(y, initial_state=[h, c])
    return _ended([x, y], z)


def _states_of_directions():
    x = keras.Input((STEPS, FEATURES))
    two = layers.Bidirectional(layers.GRU(6, return_state=True), name="two")
    h, ahead, back = two(x)
    state = layers.Concatenate(name="state")([ahead, back])
    h = layers.RepeatVector(2, name="twice")(h)
    return _ended(x, layers.GRU(12, name="gru")(h, initial_state=state))


def _called_twice():
    table = layers.Embedding(WORDS, 6, mask_zero=True, name="table")
    gru, found = layers.GRU(6, name="gru"), []
    given = [keras.Input((n,), dtype="int32") for n in (STEPS, STEPS + 2)]
    found = [gru(table(x)) for x in given]
    return _ended(given, layers.Subtract(name="difference")(found))


def _stateful():
    x = keras.Input(batch_shape=(3, STEPS, FEATURES))
    lstm = layers.LSTM(6, stateful=True, return_sequences=True, name="lstm")
    two = layers.Bidirectional(layers.GRU(6, stateful=True), name="two")
    model = _ended(x, two(lstm(x)))
    model(inputs(model, seed=1))  # Its states are no longer zero.
    return model


def _one(layer, **options):
    return lambda: classifier(layer(6, name="rnn", **options))


def _two(layer, backward=None, **options):
    def build():
        back = backward and backward(6, go_backwards=True)
        options_ = {"backward_layer": back, "name": "two", **options}
        return classifier(layers.Bidirectional(layer(6), **options_))

    return build


NETWORKS = {
    "lstm": _one(layers.LSTM),
    "gru": _one(layers.GRU),
    "gru, reset before": _one(layers.GRU, reset_after=False),
    "simple rnn, unrolled": _one(layers.SimpleRNN, unroll=True),
    "backwards, without bias": _one(
        layers.LSTM, go_backwards=True, use_bias=False
    ),
    "concatenated directions": _two(layers.GRU),
    "sum of directions": _two(layers.LSTM, merge_mode="sum"),
    "product of directions": _two(layers.SimpleRNN, merge_mode="mul"),
    "mean of directions": _two(layers.GRU, merge_mode="ave"),
    "directions apart": _apart,
    "directions of two kinds": _two(layers.LSTM, layers.GRU),
    "stacked": lambda: classifier(
        layers.LSTM(6, return_sequences=True, name="a"),
        layers.Dropout(0.5, name="drop"),
        layers.GRU(6, name="b"),
    ),
    "a cell": lambda: classifier(layers.RNN(layers.GRUCell(6), name="rnn")),
    "stacked cells": lambda: classifier(
        layers.RNN([layers.LSTMCell(6), layers.SimpleRNNCell(6)], name="rnn")
    ),
    "masked words": _words,
    "masked steps, with dropout": lambda: classifier(
        layers.Masking(),
        layers.GRU(6, dropout=0.2, recurrent_dropout=0.2, name="rnn"),
    ),
    "a layer at each step": lambda: classifier(
        layers.LSTM(6, return_sequences=True, name="rnn"),
        layers.TimeDistributed(layers.Dense(6, "relu"), name="each"),
        layers.GlobalMaxPooling1D(),
    ),
    "frames": lambda: classifier(
        layers.TimeDistributed(layers.Conv1D(6, 2), name="frame"),
        layers.TimeDistributed(layers.LSTM(6), name="rnn"),
        layers.SimpleRNN(6, name="b"),
        shape=(3, STEPS, FEATURES),
    ),
    "convolutional": lambda: classifier(
        layers.ConvLSTM1D(6, 3, padding="same", name="rnn"),
        layers.Flatten(name="flat"),
        shape=(3, STEPS, FEATURES),
    ),
    "encoder and decoder": _encoder_and_decoder,
    "states of directions": _states_of_directions,
    "called twice": _called_twice,
    "stateful": _stateful,
}


class Own(layers.LSTMCell):
    pass


@keras.saving.register_keras_serializable("tests")
class OwnLayer(layers.GRU):
    pass


def _array_for_a_state():
    x = keras.Input(batch_shape=(3, STEPS, FEATURES))
    state = np.ones((3, 5), "float32")
    return _ended(x, layers.GRU(5, name="rnn")(x, initial_state=state))


def _mask_by_place():
    x = keras.Input((STEPS, FEATURES))
    mask = keras.ops.any(x > -1, axis=-1)
    return _ended(x, layers.GRU(5, name="rnn")(x, None, mask))


def _in_training():
    x = keras.Input((STEPS, FEATURES))
    return _ended(x, layers.GRU(5, name="rnn")(x, training=True))


def _directions_of_two_widths():
    x = keras.Input((STEPS, FEATURES))
    back = layers.GRU(4, go_backwards=True)
    two = layers.Bidirectional(layers.GRU(5), backward_layer=back, name="rnn")
    return keras.Model(x, two(x))


WHOLE = {
    "no rule for its cell (Own)": lambda: classifier(
        layers.RNN(Own(5), name="rnn")
    ),
    "no rule for the class of its layer": lambda: classifier(
        layers.Bidirectional(OwnLayer(5), name="rnn")
    ),
    "'own' within it: no rule for its class": lambda: classifier(
        layers.TimeDistributed(OwnLayer(5, name="own"), name="rnn"),
        layers.Flatten(),
        shape=(3, STEPS, FEATURES),
    ),
    "its channels come first": lambda: classifier(
        layers.ConvLSTM1D(5, 2, data_format="channels_first", name="rnn"),
        layers.Flatten(),
        shape=(3, FEATURES, STEPS),
    ),
    "it computes with an array of its own": _array_for_a_state,
    "called with more than a sequence and states": _mask_by_place,
    "called with `training` or a mask": _in_training,
    "its directions or states do not have the same units": (
        _directions_of_two_widths
    ),
}
