"""Recurrent layers lose units: outputs, sizes, files, states, reasons."""

import keras
import numpy as np
import pytest
from building import randomize, zero_slices
from lifecycle import assert_same, saved_and_loaded, values
from networks import sequential
from recurrent import FEATURES, NETWORKS, STEPS, WHOLE, classifier, inputs

import kprune
from kprune.deploy.shrink import plan
from kprune.masking import weights

layers = keras.layers
HALF = {"granularity": "channel", "allocation": "uniform", "verbose": 0}


def shrunk(model, function=kprune.shrink):
    """Returns the smaller model, with its outputs checked."""
    small, x = function(model, verbose=0), inputs(model)
    expected = np.asarray(model(x))
    assert expected.std() > 0, "the model's output is constant: tests nothing"
    np.testing.assert_allclose(small(x), expected, rtol=0, atol=1e-5)
    return small


@pytest.mark.parametrize("name", NETWORKS)
def test_half_of_the_units_go(name, tmp_path):
    model = randomize(NETWORKS[name]())
    pruned = kprune.prune(model, "magnitude", 0.5, **HALF)
    small = shrunk(pruned)
    masks = kprune.get_masks(pruned)
    assert not all(mask.all() for mask in masks.values())
    # Nothing that was pruned has to stay.
    sizes = {w.name: w.layout.size for w in weights.find(small)}
    for weight, mask in masks.items():
        assert sizes[weight] == np.count_nonzero(mask), weight
    loaded, x = saved_and_loaded(small, tmp_path), inputs(model)
    if name != "stateful":  # Keras saves no states.
        assert_same(loaded(x), small(x))
    loaded.compile("sgd", "mse", run_eagerly=True)
    before = values(loaded)
    assert np.isfinite(loaded.train_on_batch(x, np.ones((3, 2))))
    for variable, old in zip(loaded.variables, before, strict=True):
        assert not variable.trainable or (np.array(variable) != old).any()


def test_parameters_by_hand():
    lstm = classifier(layers.LSTM(6, name="rnn"))
    gru = layers.Bidirectional(layers.GRU(6), name="two")
    for model, each, width in ((lstm, 1, 6), (classifier(gru), 2, 12)):
        pruned = kprune.prune(
            randomize(model), "magnitude", 0.5, granularity="channel"
        )
        # Three units: their gates' kernels, recurrent kernels and biases.
        lstm = 3 * 4 * (FEATURES + 3 + 1)
        gru = 3 * 3 * (FEATURES + 3 + 2)
        rest = (width // 2) * 2 + 2
        expected = (lstm if each == 1 else 2 * gru) + rest
        assert shrunk(pruned).count_params() == expected
        assert plan(pruned).parameters[1] == expected


def test_the_plan_counts_units_and_multiply_adds():
    model = randomize(classifier(layers.GRU(6, name="rnn")))
    pruned = kprune.prune(model, "magnitude", 0.5, granularity="channel")
    found = plan(pruned)
    rows = [(row.layer, row.before, row.after, row.why) for row in found.rows]
    assert rows == [("rnn/cell", 6, 3, ""), ("out", 2, 2, "")]
    before, after = (STEPS * 3 * n * (FEATURES + n) + n * 2 for n in (6, 3))
    assert found.multiply_adds == (before, after)


def zero_candidates(rnn, units):
    """Makes the third gate of units of a GRU zero: their candidate."""
    for variable in rnn.cell.trainable_variables:
        zero_slices(variable, 12 + np.array(units), axis=-1)


def gru_with_zero_units(**options):
    model = randomize(classifier(layers.GRU(6, name="rnn", **options)))
    zero_candidates(model.get_layer("rnn"), [1, 4])
    return model


@pytest.mark.parametrize("options", [{}, {"reset_after": False}])
def test_units_that_stay_zero_go(options):
    assert shrunk(gru_with_zero_units(**options)).get_layer("rnn").units == 4


@pytest.mark.parametrize("place", [(0, 13), (1, 13)])
def test_a_candidate_with_a_bias_is_not_zero(place):
    model = gru_with_zero_units()
    bias = np.array(model.get_layer("rnn").cell.bias)
    bias[place] = 1
    model.get_layer("rnn").cell.bias.assign(bias)
    assert shrunk(model).get_layer("rnn").units == 5


def test_a_zero_unit_may_read_zero_units_alone():
    model = gru_with_zero_units()
    kernel = np.array(model.get_layer("rnn").cell.recurrent_kernel)
    kernel[4, 13] = 1  # Unit 1 reads unit 4, which is zero as well.
    model.get_layer("rnn").cell.recurrent_kernel.assign(kernel)
    assert shrunk(model).get_layer("rnn").units == 4
    kernel[0, 16] = 1  # Unit 4 reads unit 0, so that neither is.
    model.get_layer("rnn").cell.recurrent_kernel.assign(kernel)
    assert shrunk(model).get_layer("rnn").units == 6


def test_units_that_begin_with_a_state_are_not_zero():
    x, state = keras.Input((STEPS, FEATURES)), keras.Input((FEATURES,))
    h = layers.Dense(6, name="state")(state)
    h = layers.GRU(6, name="rnn")(x, initial_state=h)
    model = keras.Model([x, state], layers.Dense(2, name="out")(h))
    randomize(model)
    zero_candidates(model.get_layer("rnn"), [1, 4])
    assert shrunk(model).get_layer("rnn").units == 6
    for variable in model.get_layer("state").variables:
        zero_slices(variable, [1], axis=-1)
    assert shrunk(model).get_layer("rnn").units == 5


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda **o: layers.LSTM(5, name="rnn", **o),
        lambda **o: layers.GRU(5, name="rnn", **o),
        lambda **o: layers.Bidirectional(layers.GRU(5, **o), name="rnn"),
        lambda **o: layers.RNN([layers.LSTMCell(5, **o)], name="rnn"),
    ],
)
def test_constants_that_are_read_go_into_the_bias(wrap, use_bias):
    first = layers.Dense(4, name="a")
    model = classifier(first, wrap(use_bias=use_bias))
    randomize(model)
    zero_slices(first.kernel, [0, 3], axis=-1)
    rnn = model.get_layer("rnn")
    if hasattr(rnn, "forward_layer"):  # Which does not see them: no bias.
        zero_slices(rnn.forward_layer.cell.kernel, [0, 3], axis=0)
    small = shrunk(model)
    assert small.get_layer("a").units == 2
    assert plan(model).parameters[1] == small.count_params()
    if hasattr(rnn, "forward_layer"):
        two = small.get_layer("rnn")
        assert two.forward_layer.use_bias == use_bias
        assert two.backward_layer.use_bias


def test_constants_into_a_layer_at_each_step():
    model = classifier(
        layers.Dense(4, name="a"),
        layers.TimeDistributed(layers.Dense(5, use_bias=False), name="each"),
        layers.LSTM(4, name="rnn"),
    )
    randomize(model)
    zero_slices(model.get_layer("a").kernel, [1], axis=-1)
    small = shrunk(model)
    assert small.get_layer("a").units == 3
    assert small.get_layer("each").layer.use_bias


def test_a_layer_at_each_step_reads_a_part_of_its_input():
    each = layers.TimeDistributed(layers.Dense(5), name="each")
    model = randomize(sequential((STEPS, 8), each))
    zero_slices(each.layer.kernel, [0, 1, 2, 5], axis=0)
    small = shrunk(model, kprune.compact)
    assert small.get_layer("each").layer.kernel.shape == (4, 5)


def test_training_goes_on_with_the_state_of_the_optimizer():
    model = classifier(layers.LSTM(6, use_bias=False, name="rnn"))
    pruned = kprune.prune(
        randomize(model), "magnitude", 0.5, granularity="channel"
    )
    pruned.compile(keras.optimizers.Adam(0.1), "mse", run_eagerly=True)
    x, y = inputs(model), np.ones((3, 2))
    pruned.train_on_batch(x, y)
    small = kprune.shrink(pruned, carry_optimizer=True, verbose=0)
    for one in (pruned, small):
        one.train_on_batch(x, y)
    np.testing.assert_allclose(small(x), pruned(x), rtol=0, atol=1e-5)


def test_what_is_left_whole_is_told():
    reason = "no rule for its cell (Own)"
    model = randomize(WHOLE[reason]())
    small = shrunk(model)
    assert_same(values(small), values(model))
    cell, _ = plan(model).rows
    assert (cell.before, cell.after) == (5, 5)
    assert cell.why == f"left whole: {reason}"
