"""Which entries belong to which units of recurrent layers."""

import keras
import pytest
from recurrent import WHOLE, classifier

from kprune.graph import channels

layers = keras.layers


def axes(found, name):
    """Returns the groups along the axes of a variable, by their numbers."""
    return {axis.number: axis.groups.tolist() for axis in found.axes[name]}


@pytest.mark.parametrize(
    ("layer", "gates"),
    [
        (layers.LSTM(3, name="rnn"), 4),
        (layers.GRU(3, name="rnn"), 3),
        (layers.GRU(3, reset_after=False, name="rnn"), 3),
        (layers.SimpleRNN(3, name="rnn"), 1),
        (layers.RNN(layers.LSTMCell(3), name="rnn"), 4),
    ],
)
def test_a_unit_is_its_gates_and_what_reads_it(layer, gates):
    model = classifier(layers.Dense(5, name="a"), layer)
    found = channels.build_channel_map(model)
    units = axes(found, "out/kernel")[0]
    assert len(set(units)) == 3 and not set(units) & set(found.why)
    assert axes(found, "rnn/cell/kernel") == {
        0: axes(found, "a/kernel")[1],
        1: gates * units,
    }
    recurrent = axes(found, "rnn/cell/recurrent_kernel")
    assert recurrent == {0: units, 1: gates * units}
    last = len(layer.cell.bias.shape) - 1  # A bias that is reset has two rows.
    assert axes(found, "rnn/cell/bias") == {last: gates * units}
    reads = {a.number: a.reads for a in found.axes["rnn/cell/recurrent_kernel"]}
    assert reads == {0: True, 1: False}


@pytest.mark.parametrize("merge_mode", ["concat", "sum", "mul", "ave"])
def test_both_directions_have_the_same_units(merge_mode):
    two = layers.Bidirectional(layers.GRU(3), merge_mode, name="two")
    found = channels.build_channel_map(classifier(two))
    units = axes(found, "two/forward_layer/cell/recurrent_kernel")[0]
    assert len(set(units)) == 3
    for direction in ("forward", "backward"):
        kernels = f"two/{direction}_layer/cell"
        assert axes(found, f"{kernels}/kernel")[1] == 3 * units
        assert axes(found, f"{kernels}/recurrent_kernel")[0] == units
    times = 2 if merge_mode == "concat" else 1
    assert axes(found, "out/kernel")[0] == times * units


def test_stacked_cells_read_each_other():
    rnn = layers.RNN([layers.LSTMCell(3), layers.GRUCell(4)], name="rnn")
    found = channels.build_channel_map(classifier(rnn))
    first = axes(found, "rnn/cell/cells/0/recurrent_kernel")[0]
    second = axes(found, "rnn/cell/cells/1/kernel")
    assert second[0] == first and len(set(first)) == 3
    assert second[1] == 3 * axes(found, "out/kernel")[0]
    assert not set(first) & set(second[1])


def test_states_go_with_their_units():
    x = keras.Input((4, 3))
    outputs, h, c = layers.LSTM(3, return_state=True, name="a")(x)
    y = layers.LSTM(3, name="b")(x, initial_state=[h, c])
    z = layers.Dense(2, name="d")(c)
    model = keras.Model(x, [layers.Dense(2, name="c")(outputs), y, z])
    found = channels.build_channel_map(model)
    units = axes(found, "a/cell/recurrent_kernel")[0]
    assert axes(found, "b/cell/recurrent_kernel")[0] == units
    assert axes(found, "c/kernel")[0] == axes(found, "d/kernel")[0] == units
    assert set(units) <= set(found.outputs.tolist())  # For b is one.


def test_a_layer_at_each_step_is_followed():
    dense = layers.TimeDistributed(layers.Dense(5), name="each")
    lstm = layers.LSTM(3, return_sequences=True, name="rnn")
    found = channels.build_channel_map(classifier(lstm, dense))
    each = axes(found, "each/layer/kernel")
    assert each[0] == axes(found, "rnn/cell/recurrent_kernel")[0]
    assert each[1] == axes(found, "out/kernel")[0]


def test_words_at_each_step_may_be_of_any_length():
    x = keras.Input((3, None), dtype="int32")
    table = layers.Embedding(9, 4)
    h = layers.TimeDistributed(table, name="words")(x)
    h = layers.TimeDistributed(layers.GRU(3), name="rnn")(h)
    model = keras.Model(x, layers.Dense(2, name="out")(h))
    found = channels.build_channel_map(model)
    read = axes(found, "rnn/layer/cell/kernel")[0]
    assert axes(found, "words/layer/embeddings") == {1: read}
    assert len(set(read)) == 4


def test_one_layer_has_the_same_channels_at_all_lengths():
    masked = layers.Embedding(9, 3, mask_zero=True, name="masked")
    plain = layers.Embedding(9, 3, name="plain")
    gru = layers.GRU(4, name="gru")
    given = [keras.Input((n,), dtype="int32") for n in (4, 6, 5)]
    tables = masked, masked, plain
    parts = [gru(t(x)) for t, x in zip(tables, given, strict=True)]
    x = layers.Add(name="sum")(parts)
    model = keras.Model(given, layers.Dense(2, name="out")(x))
    found = channels.build_channel_map(model)
    units = axes(found, "out/kernel")[0]
    assert axes(found, "gru/cell/recurrent_kernel")[0] == units
    read = axes(found, "gru/cell/kernel")[0]
    assert axes(found, "masked/embeddings") == {1: read}
    assert axes(found, "plain/embeddings") == {1: read}


@pytest.mark.parametrize("reason", WHOLE)
def test_what_is_not_followed_is_left_whole_with_its_channels(reason):
    model = WHOLE[reason]()
    found = channels.build_channel_map(model)
    told = {r for name, r in found.unfit.items() if name.startswith("rnn/")}
    assert told == {reason}
    layer = model.get_layer("rnn")
    kind = f"'rnn' ({type(layer).__name__}): {reason}"
    assert kind in found.why.values()
    assert not any(name.startswith("rnn/") for name in found.axes)


def test_an_activation_that_mixes_units_keeps_them():
    rnn = layers.LSTM(3, activation="softmax", name="rnn")
    found = channels.build_channel_map(classifier(rnn))
    units = axes(found, "out/kernel")[0]
    why = {found.why[unit] for unit in units}
    assert why == {"an activation of 'rnn' may mix channels"}


def test_a_channel_that_is_a_mask_stays():
    x = keras.Input((4, 3))
    mask = layers.Dense(4, name="a")(layers.Flatten()(x))
    h = layers.LSTM(3, name="rnn")(x, mask=mask)
    model = keras.Model(x, layers.Dense(2, name="out")(h))
    found = channels.build_channel_map(model)
    why = {found.why[group] for group in axes(found, "a/kernel")[1]}
    assert why == {"'rnn' takes it for a mask"}


def test_layers_that_share_weights_are_left_whole():
    x = keras.Input((4, 3))
    each = layers.Dense(5, name="each")
    h = layers.TimeDistributed(each, name="steps")(x)
    h = layers.Add(name="sum")([h, each(x)])
    model = keras.Model(x, layers.Dense(2, name="out")(h))
    found = channels.build_channel_map(model)
    assert set(found.unfit.values()) == {"it shares weights with another layer"}
    assert set(found.axes) == {"out/kernel", "out/bias"}


def test_a_layer_is_left_whole_in_all_calls_if_in_one():
    x = keras.Input((4, 3))
    gru = layers.GRU(3, name="rnn")
    h = layers.Add(name="sum")([gru(x), gru(x, training=True)])
    model = keras.Model(x, layers.Dense(2, name="out")(h))
    found = channels.build_channel_map(model)
    assert set(found.axes) == {"out/kernel", "out/bias"}
    why = "'rnn' (GRU): called with `training` or a mask"
    assert {found.why[g] for g in axes(found, "out/kernel")[0]} == {why}
